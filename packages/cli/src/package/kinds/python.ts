import { chooseBase, compareVersions, settleVersion, stage, type Version } from '../base-image.ts';
import { COMMON_IGNORE, joinStages, NOT_STARTED, type PackagePlan, type PlanOptions } from '../plan.ts';
import { describeHealth, findHealth, findPort, pythonProbe } from '../probes.ts';
import type { Project } from '../project.ts';
import { findDependencies, PACKAGES } from './python-dependencies.ts';
import { findStart, hasSourceFolder } from './python-start.ts';

const PYTHON_IGNORE = [
  ...[
    '__pycache__',
    '**/__pycache__',
    '**/*.py[cod]',
    '.venv',
    'venv',
    '.tox',
    '.pytest_cache',
    '.mypy_cache',
  ],
  ...['.ruff_cache', '.coverage', 'htmlcov', '*.egg-info', 'dist', 'build'],
];
const DEFAULT_VERSION = '3.12';
const MARKS = ['requirements.txt', 'pyproject.toml', 'Pipfile', 'manage.py'];

const SETUP_ONLY =
  'packages that setup.py names are not installed: list them in requirements.txt or pyproject.toml';

/** A Python project: a file that names packages, or scripts. */
export function planPython(project: Project, options: PlanOptions): PackagePlan | undefined {
  const scripts = project.files.filter((path) => /^[\w-]+\.py$/.test(path));
  const mark = MARKS.find((path) => project.has(path)) ?? scripts[0];
  if (mark === undefined) return undefined;
  const dependencies = findDependencies(project);
  const start = options.isFunction
    ? { ...NOT_STARTED, port: undefined, warnings: [] }
    : findStart(project, { entry: options.entry, packages: dependencies?.text ?? '' });
  const sources = project.files.filter((path) => path.endsWith('.py'));
  const port = start.port ?? serverPort(project, sources);
  const health = port === undefined ? undefined : findHealth(project, sources);
  const version = settleVersion(options.base, 'Python', pythonVersion(project));
  const official = { image: `python:${version.number}-slim` };
  const tools = chooseBase(options.base, official, ['python3', 'python3-venv', 'ca-certificates']);
  const runtime = chooseBase(options.base, official, ['python3']);
  const begin = [...stage(tools, 'deps'), 'WORKDIR /app'];
  const copied = dependencies?.files.length ? [`COPY ${dependencies.files.join(' ')} ./`] : [];
  const deps = dependencies && [...begin, ...copied, ...dependencies.install];
  return {
    kind: 'Python',
    why: [
      `${mark}: a Python project`,
      version.why,
      dependencies?.why ?? 'no file names packages: Python alone',
      start.why,
      ...(health === undefined ? [] : [`port ${port}`, describeHealth(health)]),
    ],
    warnings: [
      ...version.warnings,
      ...(dependencies?.warnings ?? []),
      ...(dependencies === undefined && project.has('setup.py') ? [SETUP_ONLY] : []),
      ...start.warnings,
    ],
    dockerfile: joinStages(...(deps === undefined ? [] : [deps]), [
      ...stage(runtime, 'app'),
      ...runtime.addUser,
      ...(deps === undefined ? [] : ['ENV PATH=/venv/bin:$PATH']),
      'ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1',
      hasSourceFolder(project) && 'ENV PYTHONPATH=/app/src',
      'WORKDIR /app',
      deps !== undefined && 'COPY --from=deps /venv /venv',
      'COPY . .',
      ...(port === undefined ? [] : [`ENV PORT=${port}`, `EXPOSE ${port}`]),
      `USER ${runtime.user}`,
      health !== undefined && pythonProbe(health, port as number),
      start.cmd,
    ]),
    ignore: [...COMMON_IGNORE, ...PYTHON_IGNORE],
    functionPlan: {
      dockerfile: joinStages(
        ...(dependencies === undefined
          ? []
          : [[...begin, ...copied, `RUN mkdir ${PACKAGES}`, ...dependencies.installTarget]]),
        ['FROM scratch', dependencies !== undefined && `COPY --from=deps ${PACKAGES} /`, `COPY . /`],
      ),
      runtime: `python${version.number}`,
      handler: functionHandler(project),
    },
  };
}

/** Of what listens without one of the known frameworks. */
function serverPort(project: Project, sources: readonly string[]): number | undefined {
  const serving = /HTTPServer\(|serve_forever\(|make_server\(|create_server\(|web\.run_app\(/;
  const listening = sources.filter((path) => serving.test(project.text(path) ?? ''));
  return listening.length === 0
    ? undefined
    : (findPort(project, listening) ?? tuplePort(project, listening) ?? 8000);
}

/** `('', 8080)`, as Python's own servers are told. */
function tuplePort(project: Project, sources: readonly string[]): number | undefined {
  for (const path of sources) {
    const port = /\(\s*['"][\d.]*['"]\s*,\s*(\d{2,5})\s*\)/.exec(project.text(path) ?? '')?.[1];
    if (port !== undefined) return Number(port);
  }
  return undefined;
}

function pythonVersion(project: Project): Version {
  const pyproject = project.text('pyproject.toml') ?? '';
  const places: readonly (readonly [string, string | undefined])[] = [
    ['.python-version', project.text('.python-version')],
    ['runtime.txt', project.text('runtime.txt')],
    ['python_version in Pipfile', /python_version\s*=\s*"([^"]+)"/.exec(project.text('Pipfile') ?? '')?.[1]],
    ['requires-python in pyproject.toml', /requires-python\s*=\s*["']([^"']+)/.exec(pyproject)?.[1]],
  ];
  for (const [place, text] of places) {
    const number = /3\.\d+/.exec(text ?? '')?.[0];
    // A lower bound is met by what is newer.
    const isOpen = />/.test(text ?? '') && compareVersions(number ?? '3', DEFAULT_VERSION) < 0;
    if (number !== undefined && !isOpen) return { number, place };
  }
  return { number: DEFAULT_VERSION, place: undefined };
}

function functionHandler(project: Project): string | undefined {
  for (const path of project.files) {
    const name = /\.py$/.test(path)
      ? /^def (lambda_handler|handler)\(/m.exec(project.text(path) ?? '')?.[1]
      : undefined;
    if (name !== undefined) return `${path.replace(/\.py$/, '').replaceAll('/', '.')}.${name}`;
  }
  return undefined;
}
