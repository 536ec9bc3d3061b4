import { invalid } from '../names.ts';
import { parseFields } from './fields.ts';
import { parseJsonPattern } from './json.ts';
import { parseTerms } from './terms.ts';
import type { Matcher } from './values.ts';

export type { Matcher };

const MAX_LENGTH = 1024;

/**
 * A filter pattern of CloudWatch Logs: terms (`ERROR -DEBUG "two words" ?one ?other %regex%`), fields in brackets
 * (`[ip, user, status=4*, bytes>1000]`), or a condition on JSON (`{ $.level = "error" && $.ms > 100 }`). Empty: every line.
 * @throws InvalidArgument InvalidParameterException
 * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
 */
export function parsePattern(text: string): Matcher {
  if (text.length > MAX_LENGTH) throw invalid(`'filterPattern' may have ${MAX_LENGTH} characters`);
  const trimmed = text.trim();
  if (trimmed === '') return () => true;
  if (trimmed.startsWith('{')) return parseJsonPattern(trimmed);
  if (trimmed.startsWith('[')) return parseFields(trimmed);
  return parseTerms(trimmed);
}
