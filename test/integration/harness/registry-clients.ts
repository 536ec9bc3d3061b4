import { join } from 'node:path';
import { type CommandResult, runCommand } from './command.ts';
import type { Engine } from './engine.ts';
import { peers } from './peers.ts';

export type ClientName = 'docker' | 'skopeo' | 'crane' | 'oras' | 'cosign';

/** Runs registries' clients as the user of one engine: its logins are in the engine's own folder. */
export class RegistryClients {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  get env(): Readonly<Record<string, string>> {
    const { root, env } = this.#engine;
    const authFile = join(root, 'docker-config/config.json');
    return { ...env, HOME: root, REGISTRY_AUTH_FILE: authFile, COSIGN_PASSWORD: 'of the key' };
  }

  run(client: ClientName, ...args: readonly string[]): Promise<CommandResult> {
    const program = peers[client];
    if (program === undefined) throw new Error(`${client} is missing; script/peers brings it`);
    return runCommand([program, ...args], { env: this.env, cwd: this.#engine.root });
  }

  /** What the client printed; fails when it does. */
  async must(client: ClientName, ...args: readonly string[]): Promise<string> {
    const { code, text, stdout, stderr } = await this.run(client, ...args);
    if (code === 0) return text;
    throw new Error(`${client} ${args.join(' ')} ended with ${code}:\n${stdout}${stderr}`);
  }
}
