import type { Project } from './project.ts';

/** How a project becomes an image, and a function's zip, and why. */
export interface PackagePlan {
  /** `Node`, `Python`, …, for people. */
  readonly kind: string;
  /** What was seen, and what follows from it; a sentence each, without a full stop. */
  readonly why: readonly string[];
  /** What will work, but should be looked at. */
  readonly warnings: readonly string[];
  readonly dockerfile: string;
  /** Lines of a `.dockerignore`. */
  readonly ignore: readonly string[];
  /** Undefined for what cannot be a function. */
  readonly functionPlan: FunctionPlan | undefined;
}

/** A function's code and dependencies, as Lambda lays them out. */
export interface FunctionPlan {
  /** Its last stage holds what is to be in the zip, and nothing else. */
  readonly dockerfile: string;
  /** Lambda's name of what runs it: `nodejs22.x`. */
  readonly runtime: string;
  /** What Lambda calls; undefined when only the author knows. */
  readonly handler: string | undefined;
}

export interface PlanOptions {
  /** The image to build and run on; '' for the language's official one. */
  readonly base: string;
  /** What to start, where the project does not say: a file, a package, a class; '' to find it. */
  readonly entry: string;
  /** Only the function's zip is wanted: what starts by itself need not be known. */
  readonly isFunction?: boolean;
}

/** What stands for a start in the plan of a function. */
export const NOT_STARTED = { cmd: '', why: 'a function: called, not started' } as const;

/** Tells whether a project is of one kind, and how to package it. Undefined when it is not. @throws SlipwayError */
export type Planner = (project: Project, options: PlanOptions) => PackagePlan | undefined;

/** Never wanted in an image: history, secrets, what editors and tools make, and how the image is made. */
export const COMMON_IGNORE: readonly string[] = [
  ...['.git', '.gitignore', '.github', '.gitlab-ci.yml', '.hg', '.svn', '.DS_Store', '.idea', '.vscode'],
  ...['.env', '.env.*', '!.env.example', '*.pem', '.npmrc', '.netrc', '.aws', '.ssh'],
  ...['Dockerfile*', '*.Dockerfile', '.dockerignore', '*.dockerignore', 'docker-compose*', 'compose*.y*ml'],
];

/** The stages of a Dockerfile, an empty line between them. */
export function joinStages(...stages: readonly (readonly (string | undefined | false)[])[]): string {
  const texts = stages.map((lines) => lines.filter((line) => typeof line === 'string' && line !== ''));
  return `${texts.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}
