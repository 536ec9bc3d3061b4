import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DockerfileError, parseDockerfile } from '@slipway/dockerfile';
import { computeDigest, type ImageConfig, type Platform } from '@slipway/oci';
import type { Vertex } from '../graph.ts';
import type { PlanOptions } from './options.ts';
import { planDockerfile } from './plan-dockerfile.ts';

const AMD64: Platform = { os: 'linux', architecture: 'amd64' };

const OPTIONS: PlanOptions = {
  buildArgs: new Map(),
  labels: new Map(),
  platform: AMD64,
  buildPlatform: AMD64,
  noCache: false,
  context: { kind: 'local', name: 'context', excludes: [] },
  namedContexts: new Map(),
  network: 'default',
  extraHosts: [],
  shmSizeBytes: 64 << 20,
  ulimits: [],
};

const BASE: ImageConfig = {
  ...AMD64,
  created: '2020-01-01T00:00:00Z',
  config: { Env: ['PATH=/bin'], Cmd: ['sh'] },
  rootfs: { type: 'layers', diff_ids: [computeDigest('base') as never] },
  history: [{ created: '2020-01-01T00:00:00Z', created_by: 'base' }],
};

async function plan(text: string, options: Partial<PlanOptions> = {}, base: ImageConfig = BASE) {
  const resolved: string[] = [];
  const planned = await planDockerfile(
    parseDockerfile(text),
    { ...OPTIONS, ...options },
    {
      resolveImage: async (reference, { architecture }) => {
        resolved.push(`${reference} ${architecture}`);
        return {
          manifest: {
            mediaType: 'application/vnd.oci.image.manifest.v1+json',
            digest: computeDigest(reference),
            size: 1,
          },
          config: { ...base, architecture },
        };
      },
    },
  );
  return { ...planned, resolved, lines: draw(planned.vertex) };
}

/** The graph as lines, inputs before what takes them. */
function draw(vertex: Vertex): string[] {
  const numbers = new Map<Vertex, number>();
  const lines: string[] = [];
  const visit = (at: Vertex): number => {
    const known = numbers.get(at);
    if (known !== undefined) return known;
    const inputs = at.inputs.map(visit);
    const number = numbers.size;
    numbers.set(at, number);
    lines.push(`${number}(${inputs.join()}) ${describeOperation(at)}`);
    return number;
  };
  visit(vertex);
  return lines;
}

function describeOperation({ operation }: Vertex): string {
  switch (operation.kind) {
    case 'image':
      return `image ${operation.reference}`;
    case 'local':
      return `local ${operation.name} [${operation.followPaths.join(' ')}]`;
    case 'run':
      return `run ${operation.args.join(' ')}`;
    case 'files':
      return operation.actions
        .map((action) =>
          action.kind === 'mkdir'
            ? `mkdir ${action.path}`
            : `copy ${typeof action.from === 'number' ? action.from : `<<${action.from.fileName}`}:${action.source} ${action.destination}`,
        )
        .join('; ');
    default:
      return operation.kind;
  }
}

const createdBy = ({ config }: { config: { history?: ImageConfig['history'] } }) =>
  (config.history ?? []).map(
    ({ created_by, empty_layer }) => `${empty_layer === true ? '-' : '+'} ${created_by}`,
  );

const runOf = (vertex: Vertex) => {
  assert.equal(vertex.operation.kind, 'run');
  return vertex.operation as Extract<Vertex['operation'], { kind: 'run' }>;
};

describe('a plan', () => {
  it('copies from stages, images and the context, and leaves out the stages that nothing needs', async () => {
    const { lines, resolved, stages } = await plan(`
FROM golang:1 AS builder
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY cmd/ cmd/
RUN go build -o /app
FROM never AS unused
RUN false
FROM scratch
COPY --from=builder /app /app
COPY --from=certs:2 /etc/ssl /etc/ssl
`);
    assert.deepEqual(lines, [
      '0() scratch',
      '1() image golang:1',
      '2(1) mkdir /src',
      '3() local context [cmd go.mod go.sum]',
      '4(2,3,3) copy 1:/go.mod /src/; copy 2:/go.sum /src/',
      '5(4) run /bin/sh -c go mod download',
      '6(5,3) copy 1:/cmd/ /src/cmd/',
      '7(6) run /bin/sh -c go build -o /app',
      '8(0,7) copy 1:/app /app',
      '9() image certs:2',
      '10(8,9) copy 1:/etc/ssl /etc/ssl',
    ]);
    assert.deepEqual(resolved, ['golang:1 amd64', 'certs:2 amd64']);
    assert.deepEqual(
      stages.map(({ name }) => name),
      ['builder', '2'],
    );
  });

  it('writes configuration and history as BuildKit does', async () => {
    const { config } = await plan(`
FROM base
ARG VERSION=1
ENV A=1 B="two words"
WORKDIR /srv
RUN make $VERSION
COPY --chown=1:2 a b /srv/
EXPOSE 80 53/udp
VOLUME ["/data"]
USER app
LABEL k=v
HEALTHCHECK --interval=30s --retries=3 CMD true
STOPSIGNAL SIGQUIT
SHELL ["/bin/bash", "-c"]
CMD echo hi
ENTRYPOINT ["/run"]
ONBUILD RUN x
`);
    assert.deepEqual(createdBy({ config }), [
      '+ base',
      '- ARG VERSION=1',
      '- ENV A=1 B=two words',
      '+ WORKDIR /srv',
      '+ RUN |1 VERSION=1 /bin/sh -c make $VERSION # buildkit',
      '+ COPY --chown=1:2 a b /srv/ # buildkit',
      '- EXPOSE map[80/tcp:{} 53/udp:{}]',
      '- VOLUME [/data]',
      '- USER app',
      '- LABEL k=v',
      '- HEALTHCHECK &{["CMD-SHELL" "true"] "30s" "0s" "0s" "0s" \'\\x03\'}',
      '- STOPSIGNAL SIGQUIT',
      '- SHELL [/bin/bash -c]',
      '- CMD ["/bin/bash" "-c" "echo hi"]',
      '- ENTRYPOINT ["/run"]',
      '- ONBUILD RUN x',
    ]);
    assert.deepEqual(config.config, {
      Env: ['PATH=/bin', 'A=1', 'B=two words'],
      Cmd: ['/bin/bash', '-c', 'echo hi'],
      WorkingDir: '/srv',
      ExposedPorts: { '80/tcp': {}, '53/udp': {} },
      Volumes: { '/data': {} },
      User: 'app',
      Labels: { k: 'v' },
      Healthcheck: { Test: ['CMD-SHELL', 'true'], Interval: 30e9, Retries: 3 },
      StopSignal: 'SIGQUIT',
      Shell: ['/bin/bash', '-c'],
      Entrypoint: ['/run'],
      OnBuild: ['RUN x'],
    });
  });

  it('an ENTRYPOINT forgets the CMD of the base, and not one of its own stage', async () => {
    assert.equal((await plan('FROM base\nENTRYPOINT ["x"]')).config.config?.Cmd, undefined);
    assert.deepEqual((await plan('FROM base\nCMD ["y"]\nENTRYPOINT ["x"]')).config.config?.Cmd, ['y']);
  });

  it('gives an ARG the value of the command line, of its default, or of the global scope, and only when declared', async () => {
    const text = `
ARG TAG=1
ARG BASE=img:$TAG
FROM $BASE
ARG TAG
ARG OWN=\${TAG}-x
RUN x
`;
    const env = async (args: Record<string, string>) => {
      const { vertex, resolved } = await plan(text, { buildArgs: new Map(Object.entries(args)) });
      return [resolved[0], ...runOf(vertex).env];
    };
    assert.deepEqual(await env({}), ['img:1 amd64', 'TAG=1', 'OWN=1-x', 'PATH=/bin']);
    assert.deepEqual(await env({ TAG: '2', NEVER: 'x' }), ['img:2 amd64', 'TAG=2', 'OWN=2-x', 'PATH=/bin']);
  });

  it('lets ENV win over ARG', async () => {
    const { vertex } = await plan('FROM base\nENV A=env\nARG A=arg\nRUN echo');
    assert.ok(runOf(vertex).env.includes('A=env'));
  });

  it('shows proxies to steps and to no image, and says which arguments nothing uses', async () => {
    const { vertex, config, unusedArgs } = await plan('FROM base\nRUN x', {
      buildArgs: new Map([
        ['HTTP_PROXY', 'http://secret'],
        ['odd', '1'],
      ]),
    });
    assert.deepEqual(runOf(vertex).hiddenEnv, ['HTTP_PROXY=http://secret']);
    assert.doesNotMatch(JSON.stringify([runOf(vertex).env, config]), /secret/);
    assert.deepEqual(unusedArgs, ['odd']);
  });

  it('knows the platforms, of the build and of the target', async () => {
    const { vertex, resolved, platform } = await plan(
      `FROM --platform=$BUILDPLATFORM tool AS t
ARG TARGETARCH
ARG TARGETPLATFORM
RUN cross $TARGETARCH
FROM base
COPY --from=t /x /x
RUN y`,
      { platform: { os: 'linux', architecture: 'arm', variant: 'v7' } },
    );
    assert.deepEqual(resolved.toSorted(), ['base arm', 'tool amd64']);
    assert.deepEqual(platform, { os: 'linux', architecture: 'arm' });
    const tool = vertex.inputs[0]?.inputs[1] as Vertex;
    assert.deepEqual(runOf(tool).env, ['TARGETARCH=arm', 'TARGETPLATFORM=linux/arm/v7', 'PATH=/bin']);
  });

  it("runs a base image's ONBUILD, once", async () => {
    const base = { ...BASE, config: { ...BASE.config, OnBuild: ['COPY . /app', 'RUN build'] } };
    const { lines, config } = await plan('FROM base\nRUN after', {}, base);
    assert.deepEqual(lines, [
      '0() image base',
      '1() local context []',
      '2(0,1) copy 1:/ /app',
      '3(2) run /bin/sh -c build',
      '4(3) run /bin/sh -c after',
    ]);
    assert.equal(config.config?.OnBuild, undefined);
  });

  it('builds on an earlier stage with all it has, and names steps by stage', async () => {
    const { vertex, config } = await plan('FROM base AS a\nENV X=1\nARG Y=2\nRUN one\nFROM a\nRUN two');
    assert.ok(runOf(vertex).env.includes('X=1'));
    assert.ok(runOf(vertex).env.includes('Y=2'));
    assert.equal(vertex.title, '[stage-1 2/2] RUN two');
    assert.equal(vertex.inputs[0]?.title, '[a 2/2] RUN one');
    assert.deepEqual(createdBy({ config }).slice(-1), ['+ RUN |1 Y=2 /bin/sh -c two # buildkit']);
  });

  it('reads every kind of mount', async () => {
    const { vertex } = await plan(`FROM base AS dep
FROM base
WORKDIR /w
RUN --mount=type=cache,target=/c,sharing=locked,mode=0700,uid=5 --mount=from=dep,src=/x,target=in \\
    --mount=type=secret,id=tok,env=TOKEN --mount=type=secret,id=f --mount=type=tmpfs,target=/t,size=1m \\
    --mount=type=ssh --mount=target=.,rw true`);
    assert.deepEqual(runOf(vertex).mounts, [
      {
        type: 'cache',
        target: '/c',
        readonly: false,
        id: '/c',
        sharing: 'locked',
        input: undefined,
        source: '/',
        mode: 0o700,
        uid: 5,
        gid: 0,
      },
      { type: 'bind', target: '/w/in', readonly: true, input: 1, source: '/x' },
      {
        type: 'secret',
        target: '',
        readonly: true,
        id: 'tok',
        required: false,
        env: 'TOKEN',
        mode: 0o400,
        uid: 0,
        gid: 0,
      },
      {
        type: 'secret',
        target: '/run/secrets/f',
        readonly: true,
        id: 'f',
        required: false,
        env: undefined,
        mode: 0o400,
        uid: 0,
        gid: 0,
      },
      { type: 'tmpfs', target: '/t', readonly: false, sizeBytes: 1 << 20 },
      {
        type: 'ssh',
        target: '/run/buildkit/ssh_agent.5',
        readonly: true,
        id: 'default',
        required: false,
        mode: 0o600,
        uid: 0,
        gid: 0,
      },
      { type: 'bind', target: '/w', readonly: false, input: 2, source: '/' },
    ]);
    assert.deepEqual(runOf(vertex).hiddenEnv, ['SSH_AUTH_SOCK=/run/buildkit/ssh_agent.5']);
  });

  it('takes here-documents as scripts, as files and as part of a command', async () => {
    const { lines, vertex } = await plan(`FROM base
ARG WHO=me
RUN <<EOF
echo $WHO
EOF
COPY <<a.txt <<"b.txt" /out/
hi "$WHO"
a.txt
raw $WHO
b.txt
RUN cat <<X > /f
text
X`);
    assert.deepEqual(lines, [
      '0() image base',
      '1(0) run /bin/sh -c echo $WHO\n',
      '2(1) copy <<a.txt:a.txt /out/; copy <<b.txt:b.txt /out/',
      '3(2) run /bin/sh -c cat <<X > /f\ntext\nX',
    ]);
    const { operation } = vertex.inputs[0] as Vertex;
    assert.deepEqual(
      operation.kind === 'files' &&
        operation.actions.map(
          (action) => action.kind === 'copy' && typeof action.from === 'object' && action.from.content,
        ),
      ['hi "me"\n', 'raw $WHO\n'],
    );
  });

  it('lets a named context stand in for an image, a stage and a local folder', async () => {
    const { lines, resolved } = await plan(
      'FROM base AS a\nRUN never\nFROM base\nCOPY --from=a /x /x\nCOPY --from=docs /d /d',
      {
        namedContexts: new Map([
          ['base', { kind: 'image', reference: 'other:1' }],
          ['a', { kind: 'local', name: 'a', excludes: [] }],
          ['docs', { kind: 'local', name: 'docs', excludes: [] }],
        ]),
      },
    );
    assert.deepEqual(resolved, ['other:1 amd64']);
    assert.deepEqual(lines.slice(1), [
      '1() local a [x]',
      '2(0,1) copy 1:/x /x',
      '3() local docs [d]',
      '4(2,3) copy 1:/d /d',
    ]);
  });

  it('adds from the web and from git', async () => {
    const { vertex } = await plan(
      'FROM base\nADD https://h/p/f.tgz /dst/\nADD https://h/r.git#v1:sub /git\nADD a.tar /t/',
    );
    const [git, http] = [vertex.inputs[0], vertex.inputs[0]?.inputs[0]];
    assert.deepEqual(git?.inputs[1]?.operation, {
      kind: 'git',
      url: 'https://h/r.git',
      ref: 'v1',
      subdirectory: 'sub',
      checksum: undefined,
      keepGitDir: false,
    });
    assert.deepEqual(http?.inputs[1]?.operation, {
      kind: 'http',
      url: 'https://h/p/f.tgz',
      checksum: undefined,
      fileName: 'f.tgz',
    });
    const unpacks = [http, vertex].map((at) => at?.operation.kind === 'files' && at.operation.actions[0]);
    assert.deepEqual(
      unpacks.map((action) => action && action.kind === 'copy' && action.unpack),
      [false, true],
    );
  });

  it('says where an error is, and what there is instead', async () => {
    await assert.rejects(plan('FROM base\n\nCOPY a b c'), (error: unknown) => {
      assert.ok(error instanceof DockerfileError);
      assert.equal(error.ranges[0]?.start.line, 3);
      assert.match(error.message, /more than one source file, the destination must be a directory/);
      return true;
    });
    await assert.rejects(
      plan('FROM base AS one', { target: 'two' }),
      /target stage "two" could not be found: there are one/,
    );
    await assert.rejects(plan('FROM $NONE'), /base name \(\$NONE\) should not be blank/);
    await assert.rejects(plan('FROM base\nRUN --mount=type=cache true'), /no target is set/);
  });

  it('takes the times of SOURCE_DATE_EPOCH', async () => {
    const { epochMs, vertex } = await plan('FROM base\nRUN x', {
      buildArgs: new Map([['SOURCE_DATE_EPOCH', '1700000000']]),
    });
    assert.equal(epochMs, 1_700_000_000_000);
    assert.equal(vertex.sourceDateEpochS, 1_700_000_000);
  });
});

it('a file for another frontend is refused, one for ours in any version is not', async () => {
  for (const own of [
    'docker/dockerfile:1',
    'docker/dockerfile:1.7-labs',
    'docker.io/docker/dockerfile-upstream:master',
  ]) {
    await plan(`# syntax=${own}\nFROM scratch`);
  }
  await plan(`# syntax=docker/dockerfile:1@sha256:${'a'.repeat(64)}\nFROM scratch`);
  for (const other of ['example.com/frontend:2', 'docker/dockerfiles:1', 'Not An Image']) {
    await assert.rejects(
      plan(`# syntax=${other}\nFROM scratch`),
      /syntax ".*" is not supported: .* write docker\/dockerfile:1/,
    );
  }
  await assert.rejects(
    plan('FROM scratch', { buildArgs: new Map([['BUILDKIT_SYNTAX', 'x/y']]) }),
    /syntax "x\/y" is not supported/,
  );
});
