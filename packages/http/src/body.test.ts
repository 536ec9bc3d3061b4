import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createContainerSchema } from '@slipway/api/docker';
import { isSlipwayError } from '@slipway/base';
import fc from 'fast-check';
import { readJson } from './body.ts';

const requestOf = (text: string) => ({
  headers: { 'content-type': 'application/json; charset=utf-8' },
  body: (async function* () {
    yield Buffer.from(text);
  })(),
});

test('any body gives a value of the schema or InvalidArgument, nothing else', async () => {
  const nearly = fc.record(
    {
      Image: fc.jsonValue(),
      Cmd: fc.jsonValue(),
      ExposedPorts: fc.jsonValue(),
      HostConfig: fc.oneof(fc.jsonValue(), fc.record({ Memory: fc.jsonValue(), Mounts: fc.jsonValue() })),
    },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.string(),
        fc.json(),
        nearly.map((value) => JSON.stringify(value)),
      ),
      async (text) => {
        try {
          await readJson(requestOf(text), createContainerSchema);
        } catch (error) {
          assert.ok(isSlipwayError(error, 'InvalidArgument'), String(error));
          assert.match(error.message, /^invalid JSON: /);
        }
      },
    ),
  );
});

test('null is absent and unknown keys are ignored, as docker’s clients send them', async () => {
  const body = await readJson(
    requestOf('{"Image":"a","Cmd":null,"HostConfig":{"Binds":null,"New":1},"New":{}}'),
    createContainerSchema,
  );
  assert.equal(body.Image, 'a');
  assert.equal(body.Cmd, undefined);
  assert.ok(!('New' in body));
});
