// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these variables are the Dockerfile's

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CheckOptions, checkDockerfile, parseDockerfile } from '../index.ts';

/** `rule@line: detail` of every finding. */
const findings = (text: string, options?: CheckOptions) =>
  checkDockerfile(parseDockerfile(text), options).warnings.map(
    ({ rule, detail, ranges }) => `${rule}@${ranges[0]?.start.line}: ${detail}`,
  );

const ALL = '# check=experimental=all\n';

test('each rule finds what docker finds, and nothing in what is written well', () => {
  const cases: [bad: string, expected: string[], good: string][] = [
    ['FROM a AS Base', ["StageNameCasing@1: Stage name 'Base' should be lowercase"], 'FROM a AS base'],
    ['FROM a as b', ["FromAsCasing@1: 'as' and 'FROM' keywords' casing do not match"], 'from a as b'],
    ['FROM a\nRUN x \\\n\n y', ['NoEmptyContinuation@4: Empty continuation line'], 'FROM a\nRUN x \\\n y'],
    [
      'FROM a\nrun x\nRUN y',
      [
        "ConsistentInstructionCasing@2: Command 'run' should match the case of the command majority (uppercase)",
      ],
      'from a\nrun x',
    ],
    [
      'FROM a AS b\nFROM a AS b',
      ['DuplicateStageName@2: Duplicate stage name "b", stage names should be unique'],
      'FROM a AS b\nFROM a AS c',
    ],
    [
      'FROM a AS scratch',
      ['ReservedStageName@1: Stage name should not use the same name as reserved stage "scratch"'],
      'FROM scratch AS a',
    ],
    [
      'FROM a\nCMD x',
      [
        'JSONArgsRecommended@2: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals',
      ],
      'FROM a\nSHELL ["/bin/bash", "-c"]\nCMD x',
    ],
    [
      'FROM a\nMAINTAINER me',
      ['MaintainerDeprecated@2: Maintainer instruction is deprecated in favor of using label'],
      'FROM a\nLABEL x=me',
    ],
    [
      'ARG VERSION=1\nFROM a:${VERSIO}x',
      ["UndefinedArgInFrom@2: FROM argument 'VERSIO' is not declared (did you mean VERSION?)"],
      'ARG VERSION=1\nFROM --platform=$BUILDPLATFORM a:$VERSION-$TARGETARCH',
    ],
    [
      'FROM a\nARG path\nCOPY $pth /x',
      ["UndefinedVar@3: Usage of undefined variable '$pth'"],
      'FROM a\nARG path\nCOPY $path $PATH /x',
    ],
    [
      'FROM a\nENV FOO=1\nLABEL x=$FO',
      ["UndefinedVar@3: Usage of undefined variable '$FO' (did you mean $FOO?)"],
      'FROM a AS b\nENV FOO=1\nFROM b\nLABEL x=$FOO',
    ],
    [
      'ARG FOO=1\nFROM a\nLABEL x=${FOO:-y}',
      ["UndefinedVar@3: Usage of undefined variable '$FOO'"],
      'ARG FOO=1\nFROM a AS b\nARG FOO\nFROM b\nLABEL x=$FOO',
    ],
    [
      'FROM a\nWORKDIR x',
      ['WorkdirRelativePath@2: Relative workdir "x" can have unexpected results if the base image changes'],
      'FROM a\nWORKDIR /a\nWORKDIR x',
    ],
    [
      'ARG TAG\nFROM a:$TAG',
      ['InvalidDefaultArgInFrom@2: Default value for ARG a:$TAG results in empty or invalid base image name'],
      'ARG TAG=1\nFROM localhost:5000/a/b:$TAG',
    ],
    [
      'FROM --platform=linux/arm64 a',
      ['FromPlatformFlagConstDisallowed@1: FROM --platform flag should not use constant value "linux/arm64"'],
      'FROM --platform=linux/arm64 a AS b_arm64',
    ],
    [
      'FROM --platform=${TARGETPLATFORM} a',
      [
        'RedundantTargetPlatform@1: Setting platform to predefined ${TARGETPLATFORM} in FROM is redundant as this is the default behavior',
      ],
      'FROM --platform=$BUILDPLATFORM a',
    ],
    [
      'FROM a\nARG GITHUB_TOKEN\nENV api_key=x',
      [
        'SecretsUsedInArgOrEnv@2: Do not use ARG or ENV instructions for sensitive data (ARG "GITHUB_TOKEN")',
        'SecretsUsedInArgOrEnv@3: Do not use ARG or ENV instructions for sensitive data (ENV "api_key")',
      ],
      'FROM a\nARG TOKENIZER PUBLIC_KEY KEY_FILE',
    ],
    [
      'FROM a\nENV x y',
      ['LegacyKeyValueFormat@2: "ENV key=value" should be used instead of legacy "ENV key value" format'],
      'FROM a\nENV x=y',
    ],
    [
      'FROM a\nCMD ["a"]\nCMD ["b"]',
      [
        'MultipleInstructionsDisallowed@2: Multiple CMD instructions should not be used in the same stage because only the last one will be used',
      ],
      'FROM a\nCMD ["a"]\nFROM a\nCMD ["b"]',
    ],
    [
      `${ALL}# nope\nFROM a AS b`,
      ['InvalidDefinitionDescription@3: Comment for FROM should follow the format: `# b <description>`'],
      `${ALL}# b is the one\nFROM a AS b\n# other\n\nARG c`,
    ],
    [
      'FROM a\nEXPOSE 80/TCP',
      ["ExposeProtoCasing@2: Defined protocol '80/TCP' in EXPOSE instruction should be lowercase"],
      'FROM a\nEXPOSE 80/tcp',
    ],
    [
      'FROM a\nEXPOSE 127.0.0.1:80:80',
      [
        "ExposeInvalidFormat@2: EXPOSE instruction should not define an IP address or host-port mapping, found '127.0.0.1:80:80'",
      ],
      'FROM a\nEXPOSE 80',
    ],
  ];
  for (const [bad, expected, good] of cases) {
    assert.deepEqual(findings(bad), expected, bad);
    assert.deepEqual(findings(good), [], good);
  }
});

test('a file that is ignored is not to be copied, unless something may be kept', () => {
  const text = `${ALL}FROM a AS b\nCOPY tmp/x ./y /z\nADD https://x/tmp /z\nCOPY --from=b tmp /z`;
  assert.deepEqual(findings(text, { ignorePatterns: ['tmp'] }), [
    'CopyIgnoredFile@3: Attempting to Copy file "tmp/x" that is excluded by .dockerignore',
  ]);
  assert.deepEqual(findings(text, { ignorePatterns: ['tmp', '!tmp/x'] }), []);
});

test('variables of the base image count, and none is called undefined where they are not known', () => {
  const text = 'FROM a\nLABEL x=$JAVA_HOME';
  assert.deepEqual(findings(text, { imageEnv: () => ['JAVA_HOME=/j'] }), []);
  assert.deepEqual(findings(text, { imageEnv: () => undefined }), []);
  assert.equal(findings(text, { imageEnv: () => [] }).length, 1);
});

test('`# check=` leaves out rules, and makes of findings an error', () => {
  const body = 'FROM a AS B\nMAINTAINER x';
  const check = (setting: string, settings?: string) =>
    checkDockerfile(
      parseDockerfile(`# check=${setting}\n${body}`),
      settings === undefined ? {} : { settings },
    );
  assert.deepEqual(
    check('skip=StageNameCasing;error=true').warnings.map(({ rule }) => rule),
    ['MaintainerDeprecated'],
  );
  assert.equal(check('skip=StageNameCasing;error=true').isError, true);
  assert.deepEqual(check('skip=all;error=true'), { warnings: [], isError: false });
  assert.equal(check('skip=all', 'error=false').warnings.length, 2);
});

test('a warning has what docker prints with it', () => {
  const [warning] = checkDockerfile(parseDockerfile('FROM a\nCMD x')).warnings;
  assert.equal(warning?.url, 'https://docs.docker.com/go/dockerfile/rule/json-args-recommended/');
  assert.match(warning?.description ?? '', /JSON arguments recommended/);
});
