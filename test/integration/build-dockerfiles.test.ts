import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { contextFolder } from './harness/build.ts';
import { onDockerd, useEngine } from './harness/suite.ts';

// Ends after what `useEngine` checks has begun: the build cache holds snapshots that no image names.
let prune = async () => {};
after(() => prune());
const engine = await useEngine();
prune = async () => {
  const images = (await engine.mustDocker('images', '-aq')).split('\n').filter(Boolean);
  await engine.docker('rmi', '-f', ...images);
  await engine.slipway('builder', 'prune', '-af');
};

interface Case {
  readonly files: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** What a container of the image prints. */
  readonly prints: string;
}

const node = { 'package.json': '{}', 'package-lock.json': '{}', 'src/index.js': 'main', 'test/a.js': 'test' };

/** Shapes of Dockerfiles as public projects have them, on busybox. */
const CASES: Readonly<Record<string, Case>> = {
  'dependencies before sources, in stages': {
    files: {
      ...node,
      '.dockerignore': 'test\n*.md\n!README.md\n',
      'README.md': 'r',
      'NOTES.md': 'n',
      Dockerfile: `FROM busybox AS deps
WORKDIR /app
COPY package*.json ./
RUN ls > /tmp/list && mv /tmp/list installed
FROM deps AS build
COPY . .
RUN ls -R . | sort > /listing
FROM busybox
WORKDIR /app
COPY --from=deps /app/installed ./
COPY --from=build /listing ./
CMD cat installed; grep -c -e README -e index.js listing; grep -c -e NOTES -e a.js listing; true
`,
    },
    prints: 'package-lock.json\npackage.json\n2\n0',
  },
  'a static binary in an empty image': {
    files: {
      Dockerfile: `FROM busybox AS build
RUN cp /bin/busybox /app
FROM scratch
COPY --from=build /app /bin/echo
ENTRYPOINT ["/bin/echo"]
CMD ["static"]
`,
    },
    prints: 'static',
  },
  'arguments before FROM and in stages': {
    files: {
      Dockerfile: `ARG BASE=nothing
ARG TAG=\${TAG:-latest}
FROM \${BASE}:\${TAG} AS final
ARG TAG
ARG NAME=World
ENV GREETING="Hello \${NAME:-you}, \${TAG}" LONG=\${NAME}_\${TAG/latest/newest}
CMD echo "$GREETING $LONG"
`,
    },
    args: ['--build-arg', 'BASE=busybox', '--build-arg', 'NAME=Slipway'],
    prints: 'Hello Slipway, latest Slipway_newest',
  },
  'scripts and files as here-documents': {
    files: {
      Dockerfile: `FROM busybox
RUN <<EOF
set -e
echo shell > /one
EOF
RUN <<"EOF"
#!/bin/awk -f
BEGIN { print "awk" > "/two" }
EOF
COPY <<EOF /three
file
EOF
RUN cat <<A > /four && cat <<B >> /four
a
A
b
B
CMD cat /one /two /three /four
`,
    },
    prints: 'shell\nawk\nfile\na\nb',
  },
  'mounts of every kind': {
    files: {
      'in.txt': 'bound',
      Dockerfile: `FROM busybox AS other
RUN echo other > /file
FROM busybox
RUN --mount=type=bind,target=/ctx --mount=type=bind,from=other,source=/file,target=/mnt/file \\
    --mount=type=cache,target=/cache --mount=type=tmpfs,target=/scratch \\
    cat /ctx/in.txt /mnt/file > /out; echo kept > /cache/kept; echo gone > /scratch/gone
RUN --mount=type=cache,target=/cache cat /cache/kept >> /out
RUN --network=none ! ip route | grep default && echo offline >> /out
CMD cat /out; ls -A /cache /scratch /ctx 2>/dev/null | grep -v :; true
`,
    },
    prints: 'boundother\nkept\noffline',
  },
  'copies with owners, modes, exclusions and parents': {
    files: {
      'a/one/x.txt': 'x',
      'a/two/y.txt': 'y',
      'a/two/z.log': 'z',
      Dockerfile: `FROM busybox
COPY --chown=some:extra --chmod=640 a/one/x.txt /owned
COPY --exclude=*.log a/two /two/
COPY --parents a/*/*.txt /tree/
COPY --link a/one /linked/
WORKDIR /tree
CMD stat -c '%U:%G %a' /owned; ls /two /linked; find . -type f | sort
`,
    },
    prints: 'some:extra 640\n/linked:\nx.txt\n\n/two:\ny.txt\n./a/one/x.txt\n./a/two/y.txt',
  },
  'a user of its own, a volume and a shell': {
    files: {
      Dockerfile: `FROM busybox
SHELL ["/bin/sh", "-eu", "-c"]
RUN mkdir /data && chown some /data
USER some
WORKDIR /home/some
RUN id -u > uid; pwd >> uid
VOLUME /data
CMD cat uid; touch /data/f && ls /data
`,
    },
    prints: '1000\n/home/some\nf',
  },
  'archives are unpacked by ADD, not by COPY': {
    files: {
      Dockerfile: `FROM busybox
ADD pack.tar /added/
COPY pack.tar /copied/
CMD ls /added /copied
`,
    },
    prints: '/added:\nDockerfile\n\n/copied:\npack.tar',
  },
  'another escape character': {
    files: { Dockerfile: '# escape=`\nFROM busybox\nRUN echo one `\n  two > /f\nCMD cat /f\n' },
    prints: 'one two',
  },
  'platform arguments': {
    files: {
      Dockerfile: `FROM --platform=$BUILDPLATFORM busybox
ARG TARGETOS TARGETPLATFORM
RUN echo "$TARGETOS \${TARGETPLATFORM%/*}" > /f
CMD cat /f
`,
    },
    prints: 'linux linux',
  },
  'a stage by its name': {
    files: { Dockerfile: 'FROM busybox AS dev\nCMD echo dev\nFROM busybox AS prod\nRUN false\n' },
    args: ['--target', 'dev'],
    prints: 'dev',
  },
};

for (const [name, { files, args = [], prints }] of Object.entries(CASES)) {
  test(`a Dockerfile with ${name}`, { skip: onDockerd }, async () => {
    const folder = contextFolder(engine, name.replace(/\W+/g, '-'), files);
    if (files.Dockerfile?.includes('pack.tar') === true) {
      await engine.run(['tar', '-cf', join(folder, 'pack.tar'), '-C', folder, 'Dockerfile']);
    }
    const built = await engine.slipway('build', '-q', ...args, folder);
    assert.equal(built.code, 0, built.stderr);
    assert.equal(await engine.mustDocker('run', '--rm', built.text), prints);
  });
}

test("a base image's ONBUILD runs in the image that is built on it", { skip: onDockerd }, async () => {
  const base = contextFolder(engine, 'onbuild-base', {
    Dockerfile: 'FROM busybox\nONBUILD COPY . /app\nONBUILD RUN ls /app > /list\n',
  });
  const app = contextFolder(engine, 'onbuild-app', { Dockerfile: 'FROM base\nCMD cat /list\n', mine: '' });
  for (const [tag, folder] of [
    ['base', base],
    ['app', app],
  ] as const) {
    const built = await engine.slipway('build', '-t', tag, folder);
    assert.equal(built.code, 0, built.stderr);
  }
  assert.equal(await engine.mustDocker('run', '--rm', 'app'), 'Dockerfile\nmine');
  assert.equal((await engine.inspect('app', 'image')).Config.OnBuild ?? null, null);
});
