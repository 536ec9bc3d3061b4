import { SlipwayError } from '@slipway/base';
import { checkDockerfile, type Dockerfile, type Warning } from '@slipway/dockerfile';

type Metadata = Readonly<Record<string, Buffer>>;

/**
 * Answers a question about a Dockerfile (`docker build --check`, `--call=targets`).
 * @throws NotImplemented for another question
 * @see https://github.com/moby/buildkit/tree/master/frontend/subrequests
 */
export function answerRequest(request: string, dockerfile: Dockerfile): Metadata {
  switch (request) {
    case 'frontend.subrequests.describe':
      return answer([describe('frontend.lint'), describe('frontend.targets'), describe(request)], '');
    case 'frontend.lint':
      return lint(dockerfile);
    case 'frontend.targets':
      return targets(dockerfile);
    default:
      throw new SlipwayError(
        'NotImplemented',
        `unsupported request ${request}: --check and --call=targets are answered`,
      );
  }
}

const answer = (value: unknown, text: string, more: Record<string, string> = {}): Metadata => ({
  'result.json': Buffer.from(JSON.stringify(value)),
  'result.txt': Buffer.from(text),
  version: Buffer.from('1.0.0'),
  ...Object.fromEntries(Object.entries(more).map(([key, entry]) => [key, Buffer.from(entry)])),
});

const describe = (name: string) => ({
  name,
  version: '1.0.0',
  type: 'rpc',
  description: '',
  opts: [],
  inputs: null,
  metadata: [{ name: 'result.json' }, { name: 'result.txt' }],
  refs: null,
});

function lint(dockerfile: Dockerfile): Metadata {
  const { warnings } = checkDockerfile(dockerfile);
  const source = {
    filename: dockerfile.name,
    language: 'Dockerfile',
    data: Buffer.from(dockerfile.text).toString('base64'),
  };
  const value = {
    sources: warnings.length === 0 ? [] : [source],
    warnings: warnings.map(({ rule, description, url, detail, ranges }) => ({
      ruleName: rule,
      description,
      url,
      detail,
      location: { sourceIndex: 0, ranges: ranges.map(lineRange) },
    })),
  };
  return answer(value, warnings.map(lintText).join('\n'), {
    'result.statuscode': warnings.length > 0 ? '1' : '0',
  });
}

const lineRange = ({ start, end }: Warning['ranges'][number]) => ({
  start: { line: start.line },
  end: { line: end.line },
});

const lintText = ({ rule, url, description, detail }: Warning): string =>
  `WARNING: ${rule}${url === '' ? '' : ` - ${url}`}\n${description}\n${detail}\n`;

function targets({ stages }: Dockerfile): Metadata {
  const value = {
    targets: stages.map(({ from, instructions }, index) => ({
      ...(from.name === undefined ? {} : { name: from.name }),
      ...(index === stages.length - 1 ? { default: true } : {}),
      base: from.image,
      platform: from.platform ?? '',
      location: { sourceIndex: 0, ranges: [lineRange((instructions.at(-1) ?? from).range)] },
    })),
    sources: [],
  };
  const text = value.targets.map(
    ({ name, default: isDefault }) => `${name ?? '(unnamed)'}${isDefault ? ' (default)' : ''}`,
  );
  return answer(value, `TARGET\n${text.join('\n')}\n`);
}
