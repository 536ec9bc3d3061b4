/**
 * Runs the operations on a thread of its own: a call into the kernel's routing lock waits for tens of milliseconds
 * behind the clean-up of other namespaces, and entering a namespace is a property of the thread.
 */
import { parentPort } from 'node:worker_threads';
import { errorMessage, isSlipwayError } from '@slipway/base';
import * as every from './operations.ts';

const operations = { ...every };

export type Operations = typeof operations;

export interface WorkerRequest {
  readonly id: number;
  readonly operation: keyof Operations;
  readonly parameters: readonly unknown[];
}

export type WorkerAnswer =
  | { readonly id: number; readonly value: unknown }
  | {
      readonly id: number;
      readonly failure: { readonly message: string; readonly reason: string | undefined };
    };

parentPort?.on('message', ({ id, operation, parameters }: WorkerRequest) => {
  parentPort?.postMessage(
    perform(id, operations[operation] as (...parameters: unknown[]) => unknown, parameters),
  );
});

function perform(
  id: number,
  run: (...parameters: unknown[]) => unknown,
  parameters: readonly unknown[],
): WorkerAnswer {
  try {
    return { id, value: run(...parameters) };
  } catch (error) {
    return {
      id,
      failure: { message: errorMessage(error), reason: isSlipwayError(error) ? error.reason : undefined },
    };
  }
}
