import { sendDatagram } from './libc.ts';

/** Tells systemd, when it started the daemon (`Type=notify`), how things stand. @see sd_notify(3) */
export function notifyServiceManager(socketPath: string | undefined, state: 'READY=1' | 'STOPPING=1'): void {
  if (socketPath !== undefined && socketPath !== '') sendDatagram(socketPath, `${state}\n`);
}
