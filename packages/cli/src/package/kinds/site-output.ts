import type { Project } from '../project.ts';
import type { Manifest } from './node-manager.ts';

/** A site that a build script makes: the tool, and the folder that it fills. */
export interface BuiltSite {
  readonly tool: string;
  readonly output: string;
}

/** Folders that site generators fill, by the package that makes them. The first that a project has counts. */
const OUTPUTS: readonly (readonly [tool: string, output: string])[] = [
  ['react-scripts', 'build'],
  ['@docusaurus/core', 'build'],
  ['gatsby', 'public'],
  ['@11ty/eleventy', '_site'],
  ['astro', 'dist'],
  ['vitepress', '.vitepress/dist'],
  ['@vue/cli-service', 'dist'],
  ['@sveltejs/adapter-static', 'build'],
  ['@angular/core', 'dist'],
  ['parcel', 'dist'],
  ['vite', 'dist'],
  ['webpack', 'dist'],
];
/** Start scripts that serve a site to its developer, not to visitors. */
const DEVELOPMENT_SERVER =
  /^(?:npx\s+)?(?:vite|react-scripts start|astro (?:dev|preview)|ng serve|gatsby develop|parcel|webpack(?:-dev-server| serve)|vue-cli-service serve|docusaurus start|eleventy|serve)\b/;
const SERVER_ADAPTERS = [
  '@astrojs/node',
  '@sveltejs/adapter-node',
  'next',
  'nuxt',
  'express',
  'fastify',
  'koa',
  'hono',
];

/** What a project's build script makes, when it is a site without a server of its own. */
export function siteOfBuild(project: Project, manifest: Manifest): BuiltSite | undefined {
  if (manifest.scripts?.['build'] === undefined) return undefined;
  const start = manifest.scripts['start'];
  if (start !== undefined && !DEVELOPMENT_SERVER.test(start)) return undefined;
  const all = { ...manifest.dependencies, ...manifest.devDependencies };
  if (SERVER_ADAPTERS.some((name) => manifest.dependencies?.[name] !== undefined)) return undefined;
  const found = OUTPUTS.find(([tool]) => all[tool] !== undefined);
  if (found === undefined) return undefined;
  return { tool: found[0], output: outputFolder(project, found) };
}

/** The folder that the tool's own settings name, else its usual one. */
function outputFolder(project: Project, [tool, usual]: readonly [string, string]): string {
  if (tool === '@angular/core') return angularOutput(project) ?? usual;
  const settings = project.files.find((path) => /^(?:vite|astro)\.config\.[cm]?[jt]s$/.test(path));
  const text = settings === undefined ? '' : (project.text(settings) ?? '');
  return /\boutDir:\s*['"](?:\.\/)?([\w./-]+?)\/?['"]/.exec(text)?.[1] ?? usual;
}

/** Angular's application builder puts what browsers get in a folder of its own. */
function angularOutput(project: Project): string | undefined {
  const text = project.text('angular.json') ?? '';
  const path = /"outputPath"\s*:\s*"([\w./-]+)"/.exec(text)?.[1];
  const name = /"projects"\s*:\s*\{\s*"([\w.-]+)"/.exec(text)?.[1];
  const folder = path ?? (name === undefined ? undefined : `dist/${name}`);
  if (folder === undefined) return undefined;
  return /:(?:application)"/.test(text) ? `${folder}/browser` : folder;
}
