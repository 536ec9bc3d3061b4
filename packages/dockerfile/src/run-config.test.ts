import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  applyToConfig,
  isConfigInstruction,
  parseDurationNs,
  parseEnvironment,
  parseInstruction,
  type RunConfig,
} from './index.ts';

function apply(config: RunConfig, text: string, hasCommand = false): RunConfig {
  const instruction = parseInstruction(text);
  assert.ok(isConfigInstruction(instruction));
  return applyToConfig(config, instruction, parseEnvironment(config.Env ?? []), { hasCommand });
}

test('each instruction changes its own part and nothing else', () => {
  const base: RunConfig = { Env: ['A=1', 'B=2'], WorkingDir: '/w', Cmd: ['old'], Labels: { l: 'm' } };
  const cases: [string, RunConfig][] = [
    ['CMD echo $A', { Cmd: ['/bin/sh', '-c', 'echo $A'] }],
    ['CMD ["a"]', { Cmd: ['a'] }],
    ['ENV A=$B C="x y" D=$C', { Env: ['A=2', 'B=2', 'C=x y', 'D='] }],
    ['LABEL a=$A l=n', { Labels: { l: 'n', a: '1' } }],
    [
      'EXPOSE 80 $A/udp 8000-8001',
      { ExposedPorts: { '80/tcp': {}, '1/udp': {}, '8000/tcp': {}, '8001/tcp': {} } },
    ],
    ['VOLUME ["/a b", "/$A"]', { Volumes: { '/a b': {}, '/1': {} } }],
    ['USER $A:g', { User: '1:g' }],
    ['WORKDIR ../x/./y', { WorkingDir: '/x/y' }],
    ['STOPSIGNAL SIG$A', { StopSignal: 'SIG1' }],
    ['ONBUILD RUN $A', { OnBuild: ['RUN $A'] }],
    ['SHELL ["/bin/bash", "-c"]', { Shell: ['/bin/bash', '-c'] }],
    ['HEALTHCHECK NONE', { Healthcheck: { Test: ['NONE'] } }],
    [
      'HEALTHCHECK --interval=1m30s --retries=2 CMD true',
      { Healthcheck: { Test: ['CMD-SHELL', 'true'], Interval: 90e9, Retries: 2 } },
    ],
  ];
  const before = structuredClone(base);
  for (const [text, change] of cases) assert.deepEqual(apply(base, text), { ...base, ...change }, text);
  assert.deepEqual(base, before);
});

test('an ENTRYPOINT takes away the command of the base image, not that of its own stage', () => {
  assert.equal(apply({ Cmd: ['base'] }, 'ENTRYPOINT ["e"]').Cmd, undefined);
  assert.deepEqual(apply({ Cmd: ['own'] }, 'ENTRYPOINT ["e"]', true).Cmd, ['own']);
});

test('the shell form is run by the shell that SHELL set', () => {
  assert.deepEqual(apply({ Shell: ['/bin/bash', '-ec'] }, 'CMD a').Cmd, ['/bin/bash', '-ec', 'a']);
});

test('bad ports and empty folders are refused with their value', () => {
  for (const text of ['EXPOSE 99999', 'EXPOSE 80/icmp', 'EXPOSE 9-8', 'EXPOSE $NOPE/tcp', 'WORKDIR $NOPE']) {
    assert.throws(() => apply({}, text), { code: 'InvalidArgument' }, text);
  }
});

test('durations read as Go reads them', () => {
  const cases: [string, number | undefined][] = [
    ['1h2m3s', 3723e9],
    ['1.5s', 1.5e9],
    ['.5ms', 5e5],
    ['2us', 2000],
    ['-1s', -1e9],
    ['0', 0],
    ['5', undefined],
    ['', undefined],
    ['1s ', undefined],
    ['1d', undefined],
  ];
  for (const [text, ns] of cases) assert.equal(parseDurationNs(text), ns, text);
});
