import type { Context } from '../command.ts';
import { exitNow } from './exit.ts';

/** Height and width in character cells, as the API takes them. */
export type ConsoleSize = readonly [rows: number, columns: number];

/** The terminal's size; undefined when there is none. */
export const consoleSize = (stdout: NodeJS.WriteStream): ConsoleSize | undefined =>
  stdout.isTTY && stdout.rows > 0 ? [stdout.rows, stdout.columns] : undefined;

const DEADLY = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM'] as const;

/** Puts the terminal into raw mode until disposed; also restores it when the process ends in any other way. */
export function rawMode(stdin: NodeJS.ReadStream): Disposable {
  if (!stdin.isTTY) return { [Symbol.dispose]: () => {} };
  const restore = () => stdin.setRawMode(false);
  // A death by signal would skip what is done at exit.
  const die = (_name: string, number: number) => {
    restore();
    exitNow(128 + number);
  };
  stdin.setRawMode(true);
  process.once('exit', restore);
  for (const name of DEADLY) process.once(name, die);
  return {
    [Symbol.dispose]: () => {
      process.off('exit', restore);
      for (const name of DEADLY) process.off(name, die);
      restore();
    },
  };
}

/** Tells `resize` the terminal's size now and whenever it changes, until disposed. */
export function followSize(
  stdout: NodeJS.WriteStream,
  resize: (size: { readonly h: number; readonly w: number }) => Promise<void>,
): Disposable {
  // The process may have ended meanwhile, and then there is nothing to resize.
  const tell = () => {
    if (stdout.rows > 0) resize({ h: stdout.rows, w: stdout.columns }).catch(() => {});
  };
  if (!stdout.isTTY) return { [Symbol.dispose]: () => {} };
  stdout.on('resize', tell);
  tell();
  return { [Symbol.dispose]: () => void stdout.off('resize', tell) };
}

const PROXIED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGCONT'] as const;

/** Hands this process's signals to the container until disposed. */
export function proxySignals(context: Context, id: string): Disposable {
  const forward = (signal: string) => {
    context.client.containers.kill(id, signal.slice(3)).catch(() => {});
  };
  for (const signal of PROXIED) process.on(signal, forward);
  return {
    [Symbol.dispose]: () => {
      for (const signal of PROXIED) process.off(signal, forward);
    },
  };
}
