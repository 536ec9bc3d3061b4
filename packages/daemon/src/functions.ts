import { join } from 'node:path';
import { AWS_SERVICES, type AwsService } from '@slipway/api/aws';
import { hostPath } from '@slipway/base';
import type { ImageService } from '@slipway/engine/images';
import type { TransferService } from '@slipway/engine/transfer';
import { awsServiceDialect, type Site } from '@slipway/http';
import { hostPlatform } from '@slipway/oci';
import { ACCOUNT_ID } from '@slipway/serverless/aws';
import { runtimeNames } from '@slipway/serverless/environments';
import {
  engineImages,
  type Functions,
  type FunctionsOptions,
  openFunctions,
} from '@slipway/serverless/functions';
import type { Config } from './config.ts';
import type { DaemonOptions, Floors } from './floors.ts';

/** What the functions slice stands on. */
export interface FunctionGround extends Pick<Floors, 'store' | 'runtime'> {
  readonly images: ImageService;
  readonly transfer: TransferService;
  readonly prepareRuntime: FunctionsOptions['prepareRuntime'];
}

/** What stands around a package in a request. */
const BESIDE_PACKAGE_BYTES = 262_144;

/** Opens the slice, and lets images know what stands on them. */
export async function openFunctionSlice(
  { config, clock, random, logger }: DaemonOptions,
  { store, runtime, images, transfer, prepareRuntime }: FunctionGround,
): Promise<Functions> {
  const functions = await openFunctions({
    store,
    images: engineImages(images, transfer),
    clock,
    random,
    logger: logger.child({ part: 'functions' }),
    root: hostPath(join(config.dataRoot, 'functions')),
    accountId: ACCOUNT_ID,
    limits: config.functions.limits,
    runtimes: runtimeNames(),
    prepareRuntime,
    architecture: hostPlatform().architecture === 'arm64' ? 'arm64' : 'x86_64',
    isolations: [...runtime.runtimes.keys()],
    codeRoot: config.functions.codeRoot,
    port: config.port,
    collectStore: () => images.collectGarbage(),
  });
  images.addUsers((id) =>
    functions.usersOf(id).map((name) => ({ kind: 'function', id: name, running: true })),
  );
  return functions;
}

/** Packages, by the URLs that are given out: each is a signature of its own. */
export const downloadSite = ({ random }: DaemonOptions, { downloads }: Functions): Site => ({
  dialect: awsServiceDialect(AWS_SERVICES.lambda, random),
  routes: downloads.routes,
  matches: ({ path }) => downloads.matches(path),
});

/** The service, where a request may be as large as a package in base64 makes it. */
export const withPackages = (service: AwsService, { functions }: Config): AwsService => ({
  ...service,
  maxBodyBytes: Math.max(
    service.maxBodyBytes,
    service === AWS_SERVICES.lambda
      ? Math.ceil((functions.limits.zipBytes * 4) / 3) + BESIDE_PACKAGE_BYTES
      : 0,
  ),
});
