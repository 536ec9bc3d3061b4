import { z } from 'zod';

/** A field that may be missing or null; null reads as missing, as Go writes it. */
export const optional = <T extends z.ZodType>(schema: T) =>
  z.preprocess((value) => value ?? undefined, schema.optional()).optional();

/** A map from names to text. */
export const stringMap = z.record(z.string(), z.string());
