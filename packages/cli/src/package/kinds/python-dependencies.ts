import type { Project } from '../project.ts';

/** How a Python project's dependencies get into `/venv`. */
export interface PythonDependencies {
  /** Copied before the code. */
  readonly files: readonly string[];
  /** Lines that fill the virtual environment; `target` makes a folder of packages instead, for a function. */
  readonly install: readonly string[];
  readonly installTarget: readonly string[];
  /** Everything that names packages, for looking for frameworks. */
  readonly text: string;
  readonly why: string;
  readonly warnings: readonly string[];
}

const PIP_CACHE = '--mount=type=cache,target=/root/.cache';
/** Of the tools, so that they do not meet the project's packages. */
const TOOLS = '/opt/tools';
const venv = 'RUN python3 -m venv /venv';
const tool = (name: string) =>
  `RUN ${PIP_CACHE} python3 -m venv ${TOOLS} && ${TOOLS}/bin/pip install ${name}`;
const pip = '/venv/bin/pip install';
/** The folder that a function's packages are collected in. */
export const PACKAGES = '/packages';

/** By the file that names the packages; a lock file first. */
export function findDependencies(project: Project): PythonDependencies | undefined {
  const pyproject = project.text('pyproject.toml');
  if (project.has('uv.lock') && pyproject !== undefined) {
    return exported(project, ['pyproject.toml', 'uv.lock'], {
      tool: 'uv',
      command: `${TOOLS}/bin/uv export --frozen --no-dev --no-emit-project --no-hashes`,
      why: 'uv.lock: packages by uv, as locked',
    });
  }
  if (project.has('poetry.lock') && pyproject !== undefined) {
    // Packages that are in the project itself.
    const files = /\bpath\s*=\s*['"]/.test(pyproject) ? ['.'] : ['pyproject.toml', 'poetry.lock'];
    const plan = exported(project, files, {
      tool: 'poetry poetry-plugin-export',
      command: `${TOOLS}/bin/poetry export --only main --without-hashes`,
      why: 'poetry.lock: packages by Poetry, as locked',
    });
    return { ...plan, text: pyproject, install: poetryInstall(files) };
  }
  if (project.has('Pipfile.lock')) {
    return exported(project, ['Pipfile', 'Pipfile.lock'], {
      tool: 'pipenv',
      command: `${TOOLS}/bin/pipenv requirements`,
      why: 'Pipfile.lock: packages by Pipenv, as locked',
    });
  }
  if (project.has('requirements.txt')) return requirements(project);
  if (pyproject !== undefined && /^\[project\]/m.test(pyproject)) {
    return exported(project, ['pyproject.toml'], {
      tool: 'uv',
      command: `${TOOLS}/bin/uv pip compile pyproject.toml`,
      why: 'pyproject.toml: packages of [project]',
      warnings: [noLock('uv lock')],
    });
  }
  if (pyproject !== undefined && /^\[tool\.poetry\]/m.test(pyproject)) {
    return exported(project, ['pyproject.toml'], {
      tool: 'poetry poetry-plugin-export',
      command: `${TOOLS}/bin/poetry lock --quiet && ${TOOLS}/bin/poetry export --only main --without-hashes`,
      why: 'pyproject.toml: packages of [tool.poetry]',
      warnings: [noLock('poetry lock')],
    });
  }
  if (project.has('Pipfile')) {
    return exported(project, ['Pipfile'], {
      tool: 'pipenv',
      command: `${TOOLS}/bin/pipenv lock && ${TOOLS}/bin/pipenv requirements`,
      why: 'Pipfile: packages by Pipenv',
      warnings: [noLock('pipenv lock')],
    });
  }
  return undefined;
}

/** Into the virtual environment itself; Poetry is the image's own, where it has one. */
const poetryInstall = (files: readonly string[]): readonly string[] => [
  `RUN ${PIP_CACHE} command -v poetry > /dev/null || (python3 -m venv ${TOOLS} && ${TOOLS}/bin/pip install poetry)`,
  venv,
  `COPY ${files.join(' ')} ./`,
  `RUN ${PIP_CACHE} PATH=$PATH:${TOOLS}/bin VIRTUAL_ENV=/venv poetry install --only main --no-root --no-interaction`,
];

const noLock = (command: string): string =>
  `there is no lock file, so each build may get other versions; "${command}" writes one`;

function requirements(project: Project): PythonDependencies {
  const included = project.files.filter((path) =>
    /^(?:requirements|constraints)[\w./-]*\.(?:txt|in)$/.test(path),
  );
  const text = included.map((path) => project.text(path) ?? '').join('\n');
  // Packages that are in the project itself.
  const hasLocal = /^\s*(?:-e\s+|[\w-]+\s*@\s*)?(?:\.|file:)/m.test(text);
  const files = included.filter((path) => !path.includes('/'));
  const folders = [
    ...new Set(included.filter((path) => path.includes('/')).map((path) => path.split('/')[0])),
  ];
  return {
    files: hasLocal ? ['.'] : [...files, ...(folders as string[])],
    install: [venv, `RUN ${PIP_CACHE} ${pip} -r requirements.txt`],
    installTarget: [venv, `RUN ${PIP_CACHE} ${pip} --no-compile --target ${PACKAGES} -r requirements.txt`],
    text,
    why: `requirements.txt: packages by pip${hasLocal ? ', some from the project itself' : ''}`,
    warnings: [],
  };
}

/** Packages whose list another tool writes; pip installs them, so that the tool is not in the image. */
function exported(
  project: Project,
  files: readonly string[],
  made: { tool: string; command: string; why: string; warnings?: readonly string[] },
): PythonDependencies {
  const list = [tool(made.tool), `COPY ${files.join(' ')} ./`, `RUN ${made.command} > /tmp/requirements.txt`];
  return {
    files: [],
    install: [...list, venv, `RUN ${PIP_CACHE} ${pip} -r /tmp/requirements.txt`],
    installTarget: [
      ...list,
      venv,
      `RUN ${PIP_CACHE} ${pip} --no-compile --target ${PACKAGES} -r /tmp/requirements.txt`,
    ],
    text: files.map((path) => project.text(path) ?? '').join('\n'),
    why: made.why,
    warnings: made.warnings ?? [],
  };
}
