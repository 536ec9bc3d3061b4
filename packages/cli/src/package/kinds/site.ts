import { chooseBase, repositoryName, stage } from '../base-image.ts';
import { cmdOf } from '../command-line.ts';
import { COMMON_IGNORE, joinStages, type PackagePlan, type PlanOptions } from '../plan.ts';
import { wgetProbe } from '../probes.ts';
import type { Project } from '../project.ts';
import { readManifest } from './node.ts';
import { chooseNodeManager, needsWhole } from './node-manager.ts';
import { siteOfBuild } from './site-output.ts';

const PORT = 8080;
/** Folders in which plain sites are kept. */
const FOLDERS = ['', 'public/', 'site/', 'www/', 'html/', 'docs/', 'dist/', 'build/'];
const BUILD_MAJOR = 22;
/** Of nobody, which every image has. */
const NOBODY = '65534:65534';

/** A site: an index.html, or what a build script makes of one. */
export function planSite(project: Project, options: PlanOptions): PackagePlan | undefined {
  return planBuiltSite(project, options) ?? planPlainSite(project, options);
}

function planBuiltSite(project: Project, options: PlanOptions): PackagePlan | undefined {
  const manifest = readManifest(project);
  const site = manifest === undefined ? undefined : siteOfBuild(project, manifest);
  if (manifest === undefined || site === undefined) return undefined;
  const manager = chooseNodeManager(project, manifest);
  const whole = needsWhole(project, manifest);
  const output = options.entry === '' ? site.output : options.entry;
  const serving = serve(options.base, true);
  const tools = chooseBase(
    serving.isServerImage ? '' : options.base,
    { image: `node:${BUILD_MAJOR}-bookworm-slim` },
    ['nodejs', 'npm', 'ca-certificates'],
  );
  const build = [
    ...stage(tools, 'build'),
    ...manager.setup,
    'WORKDIR /app',
    ...(whole === undefined ? [`COPY ${manager.files.join(' ')} ./`] : ['COPY . .']),
    manager.installAll,
    whole === undefined && 'COPY . .',
    `RUN ${manager.run('build')}`,
  ];
  return {
    kind: 'Static site',
    why: [
      `package.json: scripts.build with ${site.tool} makes a site in ${output}`,
      manager.why,
      ...(whole === undefined ? [] : [`${whole}: dependencies are installed with the code there`]),
      ...serving.why,
    ],
    warnings: manager.warnings,
    dockerfile: joinStages(build, [
      ...serving.begin,
      `COPY --from=build /app/${output} ${serving.root}`,
      ...serving.end,
    ]),
    ignore: [...COMMON_IGNORE, 'node_modules', '**/node_modules', output],
    functionPlan: undefined,
  };
}

function planPlainSite(project: Project, options: PlanOptions): PackagePlan | undefined {
  const given = options.entry === '' ? undefined : `${options.entry.replace(/\/$/, '')}/`;
  const folder = (given === undefined ? FOLDERS : [given]).find((path) => project.has(`${path}index.html`));
  if (folder === undefined) return undefined;
  const serving = serve(options.base, false);
  return {
    kind: 'Static site',
    why: [`${folder}index.html: a site, as it is`, ...serving.why],
    warnings: [],
    dockerfile: joinStages([
      ...serving.begin,
      `COPY ${folder === '' ? '.' : folder} ${serving.root}`,
      ...serving.end,
    ]),
    ignore: [...COMMON_IGNORE, 'node_modules', 'package.json', 'package-lock.json'],
    functionPlan: undefined,
  };
}

/** What serves the files: nginx where the base says so, else busybox, which is two megabytes. */
function serve(base: string, singlePage: boolean) {
  if (/nginx/.test(repositoryName(base))) return { ...serveWithNginx(base, singlePage), isServerImage: true };
  const isServerImage = repositoryName(base) === 'busybox';
  const image = chooseBase(isServerImage || base === '' ? '' : base, { image: base || 'busybox' }, [
    'busybox',
  ]);
  const program = image.family === 'official' ? ['httpd'] : ['busybox', 'httpd'];
  const begin = [...stage(image, 'site'), ...(singlePage ? [UNKNOWN_PATHS] : [])];
  const config = singlePage ? ['-c', '/etc/httpd.conf'] : [];
  const probe = image.family === 'official' ? [wgetProbe(PORT)] : [];
  const why = [`served by busybox's httpd on port ${PORT}${probe.length > 0 ? '; health check: /' : ''}`];
  return {
    root: '/srv/',
    isServerImage,
    begin,
    why: singlePage ? [...why, 'unknown paths show index.html, for routes in the browser'] : why,
    end: [
      `EXPOSE ${PORT}`,
      `USER ${NOBODY}`,
      ...probe,
      cmdOf([...program, '-f', '-p', String(PORT), '-h', '/srv', ...config]),
    ],
  };
}

const UNKNOWN_PATHS = 'RUN echo E404:/srv/index.html > /etc/httpd.conf';

function serveWithNginx(image: string, singlePage: boolean) {
  const fallback = singlePage ? '/index.html' : '=404';
  return {
    root: '/usr/share/nginx/html/',
    begin: [
      `FROM ${image} AS site`,
      'COPY <<"EOF" /etc/nginx/nginx.conf',
      'pid /tmp/nginx.pid;',
      'error_log /dev/stderr;',
      'events {}',
      'http {',
      '  include mime.types;',
      ...['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (name) => `  ${name}_temp_path /tmp/${name};`,
      ),
      '  access_log /dev/stdout;',
      '  gzip on;',
      '  gzip_types text/css text/javascript application/javascript application/json image/svg+xml;',
      `  server { listen ${PORT}; root /usr/share/nginx/html; location / { try_files $uri $uri/ ${fallback}; } }`,
      '}',
      'EOF',
    ],
    why: [
      `served by nginx on port ${PORT}`,
      ...(singlePage ? ['unknown paths show index.html, for routes in the browser'] : []),
    ],
    end: [`EXPOSE ${PORT}`, `USER ${NOBODY}`, cmdOf(['nginx', '-g', 'daemon off;'])],
  };
}
