/**
 * The allowed imports, as data. `test/architecture` reads it.
 * A package may import those named here (and what it has in its own `dependencies`).
 */
export const packageImports: Readonly<Record<string, readonly string[]>> = {
  base: [],
  oci: ['base'],
  api: ['base'],
  network: ['base'],
  store: ['base', 'oci'],
  runtime: ['base', 'oci'],
  http: ['base', 'api'],
  dockerfile: ['base'],
  build: ['base', 'oci', 'store', 'runtime', 'dockerfile'],
  distribution: ['base', 'oci', 'api', 'http'],
  engine: [
    'base',
    'oci',
    'store',
    'runtime',
    'network',
    'api',
    'http',
    'distribution',
    'dockerfile',
    'build',
  ],
  serverless: ['base', 'oci', 'store', 'runtime', 'network', 'api', 'http', 'build', 'engine'],
  daemon: [
    'base',
    'oci',
    'store',
    'runtime',
    'network',
    'api',
    'http',
    'distribution',
    'build',
    'engine',
    'serverless',
  ],
  client: ['base', 'api'],
  // Of `dockerfile` only how ignore patterns are read: the client does not send what they leave out.
  cli: ['base', 'api', 'client', 'dockerfile'],
};

/** The slices of `engine` and `serverless` (and `daemon/system`), and the slices whose `index.ts` each may import. */
export const sliceImports: Readonly<Record<string, readonly string[]>> = {
  events: [],
  images: ['events'],
  volumes: ['events'],
  networks: ['events'],
  containers: ['events', 'images', 'volumes', 'networks'],
  accounts: [],
  registry: ['events', 'accounts'],
  ecr: ['registry', 'accounts'],
  transfer: ['events', 'images'],
  build: ['events', 'images', 'transfer'],
  aws: ['accounts'],
  functions: ['aws', 'images', 'transfer', 'queues'],
  logs: ['aws'],
  usage: ['aws'],
  queues: ['aws'],
  // Events and volumes are of the whole engine that its tests open.
  environments: ['aws', 'functions', 'logs', 'images', 'containers', 'networks', 'events', 'volumes'],
  invocations: ['aws', 'functions', 'environments', 'logs', 'usage', 'async-invocations'],
  'async-invocations': ['aws', 'functions', 'queues'],
  'event-sources': ['aws', 'functions', 'invocations', 'async-invocations', 'queues'],
};
