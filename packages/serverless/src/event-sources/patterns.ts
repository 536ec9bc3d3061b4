import { awsError } from '../aws/index.ts';

/**
 * Event patterns, as the filters of event source mappings write them: a JSON object in the form of the event, whose leaves are
 * lists of what a value may be.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html#filtering-syntax
 */
export interface EventPattern {
  matches(event: unknown): boolean;
  /** Whether the value at this key of the event is looked into, which it must be JSON for. */
  looksInto(key: string): boolean;
}

type Test = (value: unknown) => boolean;
/** Tests the values that a path leads to: none when there is nothing, more than one in a list. */
type Rule = (event: unknown) => boolean;

/** @throws InvalidArgument InvalidParameterValueException */
export function parsePattern(json: string): EventPattern {
  let pattern: unknown;
  try {
    pattern = JSON.parse(json);
  } catch (cause) {
    throw invalid(json, 'it is not JSON', cause);
  }
  if (!isObject(pattern) || Object.keys(pattern).length === 0)
    throw invalid(json, 'it must be an object of rules');
  const rule = compileObject(pattern, json);
  return { matches: rule, looksInto: (key) => isObject(pattern[key]) };
}

function compileObject(pattern: Readonly<Record<string, unknown>>, json: string): Rule {
  const rules = Object.entries(pattern).map(([key, value]): Rule => {
    if (key === '$or' && Array.isArray(value) && value.every(isObject)) {
      const alternatives = value.map((alternative) => compileObject(alternative, json));
      return (event) => alternatives.some((rule) => rule(event));
    }
    if (isObject(value)) {
      const rule = compileObject(value, json);
      return (event) => {
        const found = valuesOf(event, key);
        return found.length === 0 ? rule(undefined) : found.some(rule);
      };
    }
    if (!Array.isArray(value) || value.length === 0) throw invalid(json, `${key} must have a list of values`);
    const tests = value.map((matcher) => compileMatcher(matcher, json));
    return (event) => {
      const found = valuesOf(event, key);
      return tests.some((test) => (found.length === 0 ? test(undefined) : found.some(test)));
    };
  });
  return (event) => rules.every((rule) => rule(event));
}

/** What `key` is in an object, or in each object of a list; a list of values is each of them. */
function valuesOf(event: unknown, key: string): readonly unknown[] {
  if (Array.isArray(event)) return event.flatMap((item) => valuesOf(item, key));
  if (!isObject(event) || !Object.hasOwn(event, key)) return [];
  const value = event[key];
  return Array.isArray(value) ? value : [value];
}

function compileMatcher(matcher: unknown, json: string): Test {
  if (!isObject(matcher)) {
    if (Array.isArray(matcher)) throw invalid(json, 'a list must not hold another list');
    return (value) => value === matcher;
  }
  const [[kind, operand] = ['', undefined], ...others] = Object.entries(matcher);
  const compile = MATCHERS[kind];
  const test = others.length === 0 ? compile?.(operand) : undefined;
  if (test === undefined) throw invalid(json, `${JSON.stringify(matcher)} is no rule`);
  return test;
}

/** For each kind of rule its test, or undefined when its operand is none. */
const MATCHERS: Readonly<Record<string, (operand: unknown) => Test | undefined>> = {
  prefix: (operand) => onText(operand, (value, text) => value.startsWith(text)),
  suffix: (operand) => onText(operand, (value, text) => value.endsWith(text)),
  'equals-ignore-case': (operand) =>
    onText(operand, (value, text) => value.toLowerCase() === text.toLowerCase()),
  wildcard: (operand) => {
    if (typeof operand !== 'string' || operand.includes('**')) return undefined;
    const expression = new RegExp(`^${operand.split('*').map(RegExp.escape).join('.*')}$`, 's');
    return (value) => typeof value === 'string' && expression.test(value);
  },
  exists: (operand) =>
    typeof operand === 'boolean' ? (value) => (value !== undefined) === operand : undefined,
  numeric: compileNumeric,
  'anything-but': compileAnythingBut,
};

const onText = (operand: unknown, test: (value: string, text: string) => boolean): Test | undefined =>
  typeof operand === 'string' ? (value) => typeof value === 'string' && test(value, operand) : undefined;

const COMPARISONS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '=': (a, b) => a === b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
};

function compileNumeric(operand: unknown): Test | undefined {
  if (!Array.isArray(operand) || operand.length === 0 || operand.length % 2 !== 0) return undefined;
  const tests: Array<(value: number) => boolean> = [];
  for (let at = 0; at < operand.length; at += 2) {
    const compare = COMPARISONS[String(operand[at])];
    const bound: unknown = operand[at + 1];
    if (compare === undefined || typeof bound !== 'number') return undefined;
    tests.push((value) => compare(value, bound));
  }
  return (value) => typeof value === 'number' && tests.every((test) => test(value));
}

function compileAnythingBut(operand: unknown): Test | undefined {
  if (isObject(operand)) {
    const [[kind, inner] = ['', undefined], ...others] = Object.entries(operand);
    if (others.length > 0 || !['prefix', 'suffix', 'equals-ignore-case', 'wildcard'].includes(kind))
      return undefined;
    const tests = (Array.isArray(inner) ? inner : [inner]).map((text) => MATCHERS[kind]?.(text));
    if (tests.length === 0 || tests.some((test) => test === undefined)) return undefined;
    return (value) => value !== undefined && !tests.some((test) => test?.(value));
  }
  const refused = Array.isArray(operand) ? operand : [operand];
  if (refused.length === 0 || refused.some((value) => !['string', 'number'].includes(typeof value)))
    return undefined;
  return (value) => value !== undefined && !refused.includes(value);
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const invalid = (json: string, why: string, cause?: unknown) =>
  awsError(
    'InvalidArgument',
    'InvalidParameterValueException',
    `Invalid filter pattern definition. ${json}: ${why}.`,
    { cause },
  );
