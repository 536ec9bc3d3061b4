import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alignColumns, formatLabels, formatList, parseFilters } from './list.ts';

const LAYOUT = { headings: { Name: 'NAME', Labels: 'LABELS' }, columns: ['Name', 'Labels'] };
const row = (name: string, labels: Record<string, string>) => ({
  Name: () => name,
  Labels: () => formatLabels(labels),
  labelMap: () => labels,
});
const ROWS = [row('data', { a: '1', b: '2' }), row('a-long-volume', {})];

test('a table has its headings and columns at least ten wide, as docker lays it out', () => {
  assert.equal(
    formatList(LAYOUT, ROWS, ''),
    'NAME            LABELS\ndata            a=1,b=2\na-long-volume   \n',
  );
  assert.equal(alignColumns(['A\tB', 'c\td']), 'A         B\nc         d\n');
  assert.equal(formatList(LAYOUT, [], 'table'), 'NAME      LABELS\n');
});

test('columns are as wide as they look: a letter of two code units is one', () => {
  assert.equal(alignColumns(['𝄞bcdefgh\tx', 'abcdefgh\ty']), '𝄞bcdefgh   x\nabcdefgh   y\n');
});

test('a template has headings only when it asks for a table', () => {
  assert.equal(formatList(LAYOUT, ROWS, '{{.Name}}'), 'data\na-long-volume\n');
  assert.equal(
    formatList(LAYOUT, ROWS.slice(0, 1), 'table {{.Labels}}\\t{{.Name}}'),
    'LABELS    NAME\na=1,b=2   data\n',
  );
  assert.equal(formatList(LAYOUT, ROWS.slice(0, 1), 'table {{upper .Name}}'), 'NAME\nDATA\n');
});

test('a label is read by its name and may be its own column', () => {
  assert.equal(formatList(LAYOUT, ROWS, '{{.Label "b"}}|'), '2|\n|\n');
  assert.equal(formatList(LAYOUT, ROWS.slice(0, 1), 'table {{.Label "a"}}'), 'a\n1\n');
});

test('json is one object for each line, with what a table may show and no more', () => {
  assert.deepEqual(
    formatList(LAYOUT, ROWS, 'json')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
    [
      { Name: 'data', Labels: 'a=1,b=2' },
      { Name: 'a-long-volume', Labels: '' },
    ],
  );
});

test('filters of one name add up, and one without a value is refused', () => {
  assert.deepEqual(parseFilters(['label=a=1', 'Label=b', 'dangling=true']), {
    label: ['a=1', 'b'],
    dangling: ['true'],
  });
  assert.throws(() => parseFilters(['dangling']), /bad format of filter "dangling"/);
});
