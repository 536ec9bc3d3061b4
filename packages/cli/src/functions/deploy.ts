import { SlipwayError } from '@slipway/base/errors';
import type { FunctionCode } from '@slipway/client';
import type { Context } from '../command.ts';
import type { Manifest } from './manifest.ts';
import { toConfiguration, toTags } from './settings.ts';

const POLL_MS = 50;
const WAIT_MS = 15 * 60_000;

export interface Deployment {
  readonly name: string;
  readonly manifest: Manifest;
  readonly code: FunctionCode;
  readonly role: string;
}

/** Creates the function, or brings what there is up to date, and waits until it can be invoked. */
export async function deploy(context: Context, deployment: Deployment): Promise<'created' | 'updated'> {
  const { functions } = context.client;
  const { name, code } = deployment;
  const exists = await functions.configuration(name).then(
    () => true,
    (error) => {
      if (error instanceof SlipwayError && error.code === 'NotFound') return false;
      throw error;
    },
  );
  if (!exists) {
    await create(context, deployment);
    return 'created';
  }
  await functions.updateCode(name, code);
  await awaitReady(context, name);
  const changes = toConfiguration(deployment.manifest);
  if (Object.keys(changes).length > 0) {
    await functions.updateConfiguration(name, changes);
    await awaitReady(context, name);
  }
  const tags = toTags(deployment.manifest);
  if (Object.keys(tags).length > 0) await functions.tag(name, tags);
  return 'updated';
}

/** @throws Conflict when there is one of this name */
export async function create(context: Context, { name, manifest, code, role }: Deployment): Promise<void> {
  const isImage = code.ImageUri !== undefined;
  await context.client.functions.create({
    FunctionName: name,
    Role: role,
    PackageType: isImage ? 'Image' : 'Zip',
    Code: code,
    Tags: toTags(manifest),
    ...toConfiguration(manifest),
  });
  await awaitReady(context, name);
}

/** Until its state is Active and no update is in progress. @throws FailedPrecondition with the reason when it failed */
export async function awaitReady({ client, clock, stderr }: Context, name: string): Promise<void> {
  const endsAtMs = clock.monotonicMs() + WAIT_MS;
  let told = false;
  for (;;) {
    const { State, StateReason, LastUpdateStatus, LastUpdateStatusReason } =
      await client.functions.configuration(name);
    if (State === 'Failed' || LastUpdateStatus === 'Failed') {
      throw new SlipwayError(
        'FailedPrecondition',
        `${name} is not ready: ${(State === 'Failed' ? StateReason : LastUpdateStatusReason) ?? 'no reason was given'}`,
      );
    }
    if (State !== 'Pending' && LastUpdateStatus !== 'InProgress') return;
    if (clock.monotonicMs() > endsAtMs) {
      throw new SlipwayError(
        'DeadlineExceeded',
        `${name} is still ${State} after 15 minutes: ${StateReason ?? ''}`,
      );
    }
    if (!told && clock.monotonicMs() > endsAtMs - WAIT_MS + 1_000) {
      stderr.write(`${name}: ${StateReason ?? 'is being prepared'}\n`);
      told = true;
    }
    await clock.sleep(POLL_MS);
  }
}
