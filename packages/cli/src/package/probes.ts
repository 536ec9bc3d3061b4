import { jsonWords } from './command-line.ts';
import type { Project } from './project.ts';

/** Where a server says that it is well. */
export interface Health {
  readonly path: string;
  /** Any answer but a server's error counts, as where only the front page is known. */
  readonly lenient: boolean;
}

const HEALTH_ROUTE =
  /["'`](\/(?:[\w-]+\/){0,3}(?:healthz?|health[_-]?check|livez?|liveness|ready|readyz|ping)\/?)["'`]/;

/** A health check's path that the source names, else its front page. */
export function findHealth(project: Project, sources: readonly string[]): Health {
  for (const path of sources) {
    const route = HEALTH_ROUTE.exec(project.text(path) ?? '')?.[1];
    if (route !== undefined) return { path: route, lenient: false };
  }
  return { path: '/', lenient: true };
}

/** How the health is told to people. */
export const describeHealth = ({ path, lenient }: Health): string =>
  lenient ? `health check: ${path} answers, with anything but a server's error` : `health check: ${path}`;

const TIMES = '--interval=30s --timeout=5s --start-period=30s';
const healthcheck = (words: readonly string[]): string => `HEALTHCHECK ${TIMES} CMD ${jsonWords(words)}`;

/** Asks with Node itself, so that the image needs no curl. */
export function nodeProbe({ path, lenient }: Health, port: number): string {
  const well = lenient ? 'r.status<500' : 'r.ok';
  const url = `'http://127.0.0.1:'+(env.PORT||${port})+'${path}'`;
  return healthcheck([
    'node',
    '-e',
    `const {env}=process;fetch(${url}).then(r=>process.exit(${well}?0:1),()=>process.exit(1))`,
  ]);
}

/** Asks with Python itself. */
export function pythonProbe({ path, lenient }: Health, port: number): string {
  const connection = `c=http.client.HTTPConnection('127.0.0.1',os.environ.get('PORT','${port}'),timeout=4)`;
  const well = `sys.exit(c.getresponse().status>=${lenient ? 500 : 400})`;
  return healthcheck([
    'python3',
    '-c',
    `import http.client,os,sys;${connection};c.request('GET','${path}');${well}`,
  ]);
}

/** Asks with bash alone, for images that hold little else. */
export function bashProbe({ path, lenient }: Health, port: number): string {
  const well = lenient ? '[1234]' : '[23]';
  const ask = `printf 'GET ${path} HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3`;
  const script = `exec 3<>/dev/tcp/127.0.0.1/\${PORT:-${port}} && ${ask} && read -r line <&3 && [[ $line == HTTP/*\\ ${well}* ]]`;
  return healthcheck(['bash', '-c', script]);
}

/** Asks with busybox's wget. */
export const wgetProbe = (port: number): string =>
  healthcheck(['wget', '-q', '-O', '/dev/null', `http://127.0.0.1:${port}/`]);

const PORT_PATTERNS = [
  /(?:process\.env\.PORT|process\.env\[['"]PORT['"]\])\s*(?:\|\||\?\?)\s*['"]?(\d{2,5})/,
  /\.listen\(\s*(?:\{\s*port:\s*)?(\d{2,5})/,
  /\bport\s*[:=]\s*['"]?(\d{2,5})/i,
  /(?:getenv|environ\.get|Getenv)\(\s*['"]PORT['"]\s*,\s*['"]?(\d{2,5})/,
  /ListenAndServe\w*\(\s*"[^"]*:(\d{2,5})"/,
];

/** The port that the source listens on, where a number stands in it. */
export function findPort(project: Project, sources: readonly string[]): number | undefined {
  for (const pattern of PORT_PATTERNS) {
    for (const path of sources) {
      const port = Number(pattern.exec(project.text(path) ?? '')?.[1] ?? 0);
      if (port > 0 && port < 65_536) return port;
    }
  }
  return undefined;
}
