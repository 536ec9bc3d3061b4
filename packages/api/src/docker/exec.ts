import { z } from 'zod';
import { flag, nullable, text, texts } from './common.ts';

const consoleSize = nullable(z.tuple([z.number(), z.number()]));

/** The body of `POST /containers/{id}/exec`. @see Docker Engine API v1.51, ContainerExec */
export const createExecSchema = z.object({
  AttachStdin: flag,
  AttachStdout: flag,
  AttachStderr: flag,
  /** Height, width. */
  ConsoleSize: consoleSize,
  DetachKeys: text,
  Tty: flag,
  Env: texts,
  Cmd: texts,
  Privileged: flag,
  User: text,
  WorkingDir: text,
});

/** The body of `POST /exec/{id}/start`. @see Docker Engine API v1.51, ExecStart */
export const startExecSchema = z.object({ Detach: flag, Tty: flag, ConsoleSize: consoleSize });

export type CreateExecBody = z.infer<typeof createExecSchema>;
export type StartExecBody = z.infer<typeof startExecSchema>;
