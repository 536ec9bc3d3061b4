import { SlipwayError } from '@slipway/base/errors';
import { planGo } from './kinds/go.ts';
import { planJava } from './kinds/java.ts';
import { planNode } from './kinds/node.ts';
import { planPython } from './kinds/python.ts';
import { planSite } from './kinds/site.ts';
import type { PackagePlan, Planner, PlanOptions } from './plan.ts';
import type { Project } from './project.ts';

/** In this order: a Go or Java program may have a package.json for its pages, and any of them an index.html. */
const PLANNERS: readonly Planner[] = [planGo, planJava, planPythonFirst, planNode, planSite, planPython];

const LOOKED_FOR = [
  'Node: package.json',
  'Python: requirements.txt, pyproject.toml, Pipfile, manage.py, or scripts *.py',
  'Go: go.mod',
  'Java: pom.xml, build.gradle or build.gradle.kts',
  'static site: index.html, there or in public, site, www, html, docs, dist or build',
];

/** Tells what a project is by its files, and how to package it. @throws InvalidArgument when it is nothing known */
export function planPackage(project: Project, options: PlanOptions): PackagePlan {
  const found = findPlan(project, options);
  if (found !== undefined) return found;
  const top = [...new Set(project.files.map((path) => path.split('/')[0] as string))];
  const there =
    top.length === 0 ? 'it is empty' : `it has ${top.slice(0, 8).join(', ')}${top.length > 8 ? ', …' : ''}`;
  throw new SlipwayError(
    'InvalidArgument',
    `cannot tell what kind of project "${project.name}" is: ${there}.\nLooked for:\n${LOOKED_FOR.map((line) => `  ${line}`).join('\n')}\n` +
      'Name the folder that holds one of them, or write a Dockerfile and use "slipway build".',
  );
}

/** The same, undefined when it is nothing known. @throws InvalidArgument for what is wrong with what it is */
export function findPlan(project: Project, options: PlanOptions): PackagePlan | undefined {
  for (const plan of PLANNERS) {
    const found = plan(project, options);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What names Python packages is a Python program, whatever builds its pages; lone scripts are but tools of others. */
function planPythonFirst(project: Project, options: PlanOptions): PackagePlan | undefined {
  const marks = ['manage.py', 'requirements.txt', 'Pipfile', 'poetry.lock', 'uv.lock'];
  return marks.some((path) => project.has(path)) ? planPython(project, options) : undefined;
}
