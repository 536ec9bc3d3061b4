import { z } from 'zod';
import type { DiffId } from './digest.ts';
import { parseJson } from './json.ts';
import { digestSchema } from './manifest.ts';
import { optional, stringMap } from './schema.ts';

const emptyObjects = z.record(z.string(), z.unknown());

const healthcheckSchema = z.looseObject({
  Test: optional(z.array(z.string())),
  /** Nanoseconds, as are the other durations. */
  Interval: optional(z.number()),
  Timeout: optional(z.number()),
  StartPeriod: optional(z.number()),
  StartInterval: optional(z.number()),
  Retries: optional(z.number()),
});

const commandSchema = z.preprocess(
  (value) => (typeof value === 'string' ? [value] : value),
  z.array(z.string()),
);

/** What a container of the image is run with, in Docker's names. */
const runConfigSchema = z.looseObject({
  User: optional(z.string()),
  ExposedPorts: optional(emptyObjects),
  Env: optional(z.array(z.string())),
  Entrypoint: optional(commandSchema),
  Cmd: optional(commandSchema),
  Volumes: optional(emptyObjects),
  WorkingDir: optional(z.string()),
  Labels: optional(stringMap),
  StopSignal: optional(z.string()),
  StopTimeout: optional(z.number()),
  ArgsEscaped: optional(z.boolean()),
  Healthcheck: optional(healthcheckSchema),
  OnBuild: optional(z.array(z.string())),
  Shell: optional(z.array(z.string())),
});

const historySchema = z.looseObject({
  created: optional(z.string()),
  created_by: optional(z.string()),
  author: optional(z.string()),
  comment: optional(z.string()),
  empty_layer: optional(z.boolean()),
});

/** @see https://github.com/opencontainers/image-spec/blob/main/config.md */
export const imageConfigSchema = z.looseObject({
  architecture: z.string().default(''),
  os: z.string().default('linux'),
  variant: optional(z.string()),
  'os.version': optional(z.string()),
  'os.features': optional(z.array(z.string())),
  created: optional(z.string()),
  author: optional(z.string()),
  config: optional(runConfigSchema),
  rootfs: z.looseObject({
    type: z.literal('layers'),
    diff_ids: z.preprocess((value) => value ?? [], z.array(digestSchema)).transform((ids) => ids as DiffId[]),
  }),
  history: optional(z.array(historySchema)),
});

/** An image's configuration: platform, layers (diffIDs, bottom to top), history, and how to run it. */
export type ImageConfig = z.infer<typeof imageConfigSchema>;
export type ImageRunConfig = z.infer<typeof runConfigSchema>;
export type ImageHistory = z.infer<typeof historySchema>;

/** Unknown fields are kept; who needs the exact bytes (the image's ID is their digest) keeps those. @throws InvalidArgument */
export const parseImageConfig = (bytes: Uint8Array): ImageConfig =>
  parseJson(bytes, imageConfigSchema, 'image configuration');
