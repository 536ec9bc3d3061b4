import { AccessKeys } from './access-keys.ts';
import { Accounts } from './accounts.ts';
import { Builds } from './builds.ts';
import { Connection, DEFAULT_HOST } from './connection.ts';
import { Containers } from './containers.ts';
import { Execs } from './execs.ts';
import { FunctionLogs } from './function-logs.ts';
import { Functions } from './functions.ts';
import { Images } from './images.ts';
import { Networks } from './networks.ts';
import { Registry } from './registry.ts';
import { System } from './system.ts';
import { Usage } from './usage.ts';
import { Volumes } from './volumes.ts';

export type { BuildOptions } from './builds.ts';
export { DEFAULT_HOST, type Hijacked } from './connection.ts';
export type * from './functions.ts';
export type * from './types.ts';
export type * from './usage.ts';

/** The daemon's API, noun by noun. */
export class Client implements Disposable {
  readonly accessKeys: AccessKeys;
  readonly accounts: Accounts;
  readonly builds: Builds;
  readonly connection: Connection;
  readonly containers: Containers;
  readonly execs: Execs;
  readonly functionLogs: FunctionLogs;
  readonly functions: Functions;
  readonly images: Images;
  readonly networks: Networks;
  readonly registry: Registry;
  readonly system: System;
  readonly usage: Usage;
  readonly volumes: Volumes;

  /** Connects with the first request. @throws InvalidArgument for a host that is not `unix:///path`. */
  constructor(host: string = DEFAULT_HOST) {
    this.connection = new Connection(host);
    this.accessKeys = new AccessKeys(this.connection);
    this.accounts = new Accounts(this.connection);
    this.builds = new Builds(this.connection);
    this.containers = new Containers(this.connection);
    this.execs = new Execs(this.connection);
    this.functionLogs = new FunctionLogs(this.connection);
    this.functions = new Functions(this.connection);
    this.images = new Images(this.connection);
    this.networks = new Networks(this.connection);
    this.registry = new Registry(this.connection);
    this.system = new System(this.connection);
    this.usage = new Usage(this.connection);
    this.volumes = new Volumes(this.connection);
  }

  [Symbol.dispose](): void {
    this.connection[Symbol.dispose]();
  }
}
