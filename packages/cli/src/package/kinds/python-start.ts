import { SlipwayError } from '@slipway/base/errors';
import { cmd, cmdOf, procfileCommand } from '../command-line.ts';
import type { Project } from '../project.ts';

/** What starts a Python project. */
export interface PythonStart {
  readonly cmd: string;
  /** Undefined when it is no server. */
  readonly port: number | undefined;
  readonly why: string;
  readonly warnings: readonly string[];
}

const PORT = 8000;
const ENTRIES = [
  'main.py',
  'app.py',
  'server.py',
  'wsgi.py',
  'asgi.py',
  'run.py',
  'bot.py',
  '__main__.py',
  'src/main.py',
];
/** The application object of each framework, as it is made. */
const APPLICATIONS = {
  asgi: /^(\w+)(?::\s*\w+)?\s*=\s*(?:fastapi\.)?(?:FastAPI|Starlette|Litestar|Quart|Sanic)\(/m,
  wsgi: /^(\w+)(?::\s*\w+)?\s*=\s*(?:flask\.)?(?:Flask|Bottle|falcon\.App|App)\(/m,
  factory: /^def (create_app|make_app)\(/m,
} as const;

/** Finds it: what the person says, the Procfile, the framework's application, a script. @throws InvalidArgument */
export function findStart(
  project: Project,
  { entry, packages }: { entry: string; packages: string },
): PythonStart {
  const uses = (name: string) => new RegExp(`(?:^|["'\\s])${name}\\b`, 'im').test(packages);
  const procfile = procfileCommand(project.text('Procfile'));
  if (entry === '' && procfile !== undefined) {
    const port = /PORT|gunicorn|uvicorn|0\.0\.0\.0/.test(procfile) ? PORT : undefined;
    return { cmd: cmd(procfile), port, why: `Procfile: started by "${procfile}"`, warnings: [] };
  }
  if (entry !== '') return startEntry(entry, uses);
  return findDjango(project, uses) ?? findApplication(project, uses) ?? findScript(project);
}

/** `module:object` is an application, anything else a script. */
function startEntry(entry: string, uses: (name: string) => boolean): PythonStart {
  if (/^[\w.]+:\w+$/.test(entry)) {
    const asgi = ['fastapi', 'starlette', 'uvicorn', 'litestar', 'quart'].some(uses);
    return serveApplication(entry, asgi ? 'asgi' : 'wsgi', uses, `${entry}, as --entry says`);
  }
  return {
    cmd: cmdOf(['python3', entry]),
    port: undefined,
    why: `started by python3 ${entry}, as --entry says`,
    warnings: [],
  };
}

function findDjango(project: Project, uses: (name: string) => boolean): PythonStart | undefined {
  const manage = project.files.find((path) => /^(?:[\w-]+\/)?manage\.py$/.test(path));
  if (manage === undefined || !/DJANGO_SETTINGS_MODULE/.test(project.text(manage) ?? '')) return undefined;
  const folder = manage.slice(0, -'manage.py'.length);
  const wsgi = project.files.find(
    (path) => path.startsWith(folder) && /^[\w-]+\/wsgi\.py$/.test(path.slice(folder.length)),
  );
  const seen = `${manage}: Django`;
  if (wsgi !== undefined && uses('gunicorn')) {
    const application = `${wsgi.slice(folder.length, -3).replaceAll('/', '.')}:application`;
    const chdir = folder === '' ? [] : ['--chdir', folder.slice(0, -1)];
    return {
      cmd: gunicorn([...chdir, application]),
      port: PORT,
      why: `${seen}, served by gunicorn`,
      warnings: [],
    };
  }
  return {
    cmd: cmd(`python3 ${manage} runserver 0.0.0.0:${PORT}`),
    port: PORT,
    why: `${seen}, served by its development server`,
    warnings: [developmentServer('gunicorn')],
  };
}

function findApplication(project: Project, uses: (name: string) => boolean): PythonStart | undefined {
  const sources = project.files
    .filter((path) => path.endsWith('.py') && !/(?:^|\/)(?:tests?|conftest)/.test(path))
    .sort((a, b) => a.split('/').length - b.split('/').length || ENTRIES.indexOf(b) - ENTRIES.indexOf(a));
  for (const kind of ['asgi', 'wsgi', 'factory'] as const) {
    for (const path of sources) {
      const name = APPLICATIONS[kind].exec(project.text(path) ?? '')?.[1];
      if (name === undefined || (kind !== 'asgi' && !uses('flask') && !uses('bottle') && !uses('falcon')))
        continue;
      const module = moduleName(project, path);
      const object = kind === 'factory' ? `${module}:${name}()` : `${module}:${name}`;
      return serveApplication(
        object,
        kind === 'asgi' ? 'asgi' : 'wsgi',
        uses,
        `${path} makes the application ${name}`,
      );
    }
  }
  return undefined;
}

function serveApplication(
  object: string,
  kind: 'asgi' | 'wsgi',
  uses: (name: string) => boolean,
  seen: string,
): PythonStart {
  if (kind === 'asgi') {
    const missing =
      uses('uvicorn') || uses('fastapi\\[(?:standard|all)\\]') ? [] : [developmentServer('uvicorn')];
    const line = cmdOf(['sh', '-c', `exec uvicorn --host 0.0.0.0 --port "\${PORT:-${PORT}}" ${object}`]);
    return { cmd: line, port: PORT, why: `${seen}: served by uvicorn`, warnings: missing };
  }
  if (uses('gunicorn'))
    return { cmd: gunicorn([object]), port: PORT, why: `${seen}: served by gunicorn`, warnings: [] };
  return {
    cmd: cmdOf(['sh', '-c', `exec flask --app '${object}' run --host 0.0.0.0 --port "\${PORT:-${PORT}}"`]),
    port: PORT,
    why: `${seen}: served by flask's development server`,
    warnings: [developmentServer('gunicorn')],
  };
}

/** gunicorn listens on $PORT by itself; a folder that workers may write their heartbeats to is memory. */
const gunicorn = (words: readonly string[]): string =>
  cmdOf([
    'sh',
    '-c',
    `exec gunicorn --bind "0.0.0.0:\${PORT:-${PORT}}" --worker-tmp-dir /dev/shm ${words.map(quote).join(' ')}`,
  ]);

const quote = (word: string): string => (/^[\w./:=-]+$/.test(word) ? word : `'${word}'`);

const developmentServer = (name: string): string =>
  `${name} is not among the packages: add it, and what visitors meet is served by it`;

/** Whether modules are kept in `src`, which is then on Python's path. */
export const hasSourceFolder = (project: Project): boolean =>
  !project.has('src/__init__.py') && project.files.some((path) => /^src\/(?:\w+\/)?\w+\.py$/.test(path));

/** As `import` has it. */
function moduleName(project: Project, path: string): string {
  const below = hasSourceFolder(project) ? path.replace(/^src\//, '') : path;
  return below
    .replace(/\.py$/, '')
    .replace(/\/__init__$/, '')
    .replaceAll('/', '.');
}

function findScript(project: Project): PythonStart {
  const packageMain = project.files.find((path) => /^(?:src\/)?\w+\/__main__\.py$/.test(path));
  const scripts = project.files.filter((path) => /^[\w-]+\.py$/.test(path) && path !== 'setup.py');
  const script = ENTRIES.find((path) => project.has(path)) ?? (scripts.length === 1 ? scripts[0] : undefined);
  if (script !== undefined) {
    return {
      cmd: cmdOf(['python3', script]),
      port: undefined,
      why: `started by python3 ${script}`,
      warnings: [],
    };
  }
  if (packageMain !== undefined) {
    const name = moduleName(project, packageMain.replace(/\/__main__\.py$/, '.py'));
    return {
      cmd: cmdOf(['python3', '-m', name]),
      port: undefined,
      why: `started by python3 -m ${name}`,
      warnings: [],
    };
  }
  throw new SlipwayError(
    'InvalidArgument',
    'cannot tell what starts this Python project: there is no Procfile, manage.py, application of FastAPI, Starlette or ' +
      `Flask, and none of ${ENTRIES.join(', ')}. Name a script or MODULE:OBJECT with --entry`,
  );
}
