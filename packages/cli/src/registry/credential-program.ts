import { spawn } from 'node:child_process';
import { isErrno, SlipwayError } from '@slipway/base/errors';
import type { Context } from '../command.ts';

/** What a credential program keeps of a registry. */
export interface KeptCredentials {
  readonly Username: string;
  /** A password; an identity token when the name is `<token>`. */
  readonly Secret: string;
}

/** How the programs say that they have nothing, which is no failure. */
const NOTHING_KEPT = 'credentials not found in native keychain';

/**
 * `docker-credential-NAME`, which keeps logins in the system's key ring.
 * @see https://github.com/docker/docker-credential-helpers, Development
 */
export class CredentialProgram {
  readonly #program: string;
  readonly #env: Context['env'];

  constructor(name: string, env: Context['env']) {
    if (!/^[\w.-]+$/.test(name)) {
      throw new SlipwayError('InvalidArgument', `"${name}" cannot be a credential program's name`);
    }
    this.#program = `docker-credential-${name}`;
    this.#env = env;
  }

  async get(address: string): Promise<KeptCredentials | undefined> {
    const { code, output } = await this.#run('get', address);
    if (code !== 0 && output.includes(NOTHING_KEPT)) return undefined;
    if (code !== 0) throw this.#failed('get', address, output);
    try {
      const { Username, Secret } = JSON.parse(output) as Partial<KeptCredentials>;
      if (typeof Username === 'string' && typeof Secret === 'string') return { Username, Secret };
    } catch {
      // Said below, without the output, which may hold the secret.
    }
    throw this.#failed('get', address, 'its answer is not the JSON of a login');
  }

  async store(address: string, credentials: KeptCredentials): Promise<void> {
    const { code, output } = await this.#run('store', JSON.stringify({ ServerURL: address, ...credentials }));
    if (code !== 0) throw this.#failed('store', address, output);
  }

  async erase(address: string): Promise<void> {
    const { code, output } = await this.#run('erase', address);
    if (code !== 0 && !output.includes(NOTHING_KEPT)) throw this.#failed('erase', address, output);
  }

  #failed(verb: string, address: string, why: string): SlipwayError {
    return new SlipwayError(
      'Internal',
      `${this.#program} cannot ${verb} the login of ${address}: ${why.trim()}`,
    );
  }

  async #run(verb: string, input: string): Promise<{ readonly code: number; readonly output: string }> {
    const child = spawn(this.#program, [verb], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: this.#env as NodeJS.ProcessEnv,
    });
    // It may end without having read its input.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    const code = await new Promise<number>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status) => resolve(status ?? 1));
    }).catch((cause: unknown) => {
      if (!isErrno(cause, 'ENOENT')) throw cause;
      throw new SlipwayError(
        'FailedPrecondition',
        `the logins are kept by ${this.#program}, which is not in PATH: install it, or take credsStore and credHelpers out of docker's config.json`,
        { cause },
      );
    });
    return { code, output };
  }
}
