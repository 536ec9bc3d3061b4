import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { generateTable, SERVICES } from './generate.ts';

for (const service of SERVICES) {
  test(`the table of ${service.name} is what its client says; script/aws-tables writes it`, () => {
    const path = new URL(`tables/${service.name}.ts`, import.meta.url);
    assert.equal(readFileSync(path, 'utf8'), generateTable(service));
  });
}
