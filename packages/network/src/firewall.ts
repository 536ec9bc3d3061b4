import { spawn } from 'node:child_process';
import { type Deferred, errorMessage, type Logger, SlipwayError } from '@slipway/base';
import { formatRange, parseRange } from './ipv4.ts';
import type { BridgeNetwork, PublishedPort } from './network.ts';

/** Where a published port leads. */
export interface PortTarget extends PublishedPort {
  readonly containerIp: string;
}

/**
 * The rules of this daemon, in one nftables table of its own. Changes are elements of sets and maps, never rules;
 * those asked for while nft runs go together into its next transaction. Nobody else's tables are touched.
 */
export class Firewall {
  readonly #table: string;
  readonly #logger: Logger;
  #waiting: { commands: string[]; done: Deferred<void> }[] = [];
  #running: Promise<void> | undefined;

  constructor(tableName: string, logger: Logger) {
    this.#table = tableName;
    this.#logger = logger;
  }

  /** Makes the table, or brings that of an earlier daemon up to date: published ports keep working throughout. */
  async open(): Promise<void> {
    await this.#change(skeleton(this.#table));
  }

  async addBridge(network: BridgeNetwork): Promise<void> {
    await this.#change(this.#bridgeElements('add', network));
  }

  /** Also when an administrator flushed all rules meanwhile. */
  async removeBridge(network: BridgeNetwork): Promise<void> {
    // Added first, because nft refuses to delete what is not there.
    await this.#change([
      ...skeleton(this.#table),
      ...this.#bridgeElements('add', network),
      ...this.#bridgeElements('delete', network),
    ]);
  }

  async publish(targets: readonly PortTarget[]): Promise<void> {
    if (targets.length === 0) return;
    const elements = targets.map((target) =>
      this.#portElement('add', target, target.containerIp, target.containerPort),
    );
    await this.#change([...portMaps(this.#table), ...elements]);
  }

  /** Also when an administrator flushed all rules meanwhile: containers must be able to end. */
  async unpublish(targets: readonly PortTarget[]): Promise<void> {
    if (targets.length === 0) return;
    const elements = (verb: 'add' | 'delete') =>
      targets.map((target) => this.#portElement(verb, target, target.containerIp, target.containerPort));
    // Added first, because nft refuses to delete what is not there.
    await this.#change([...portMaps(this.#table), ...elements('add'), ...elements('delete')]);
  }

  /** Keeps exactly these ports. */
  async keepOnly(targets: readonly PortTarget[]): Promise<void> {
    await this.#change([
      `flush map ip ${this.#table} published`,
      `flush map ip ${this.#table} published_any`,
      ...targets.map((target) => this.#portElement('add', target, target.containerIp, target.containerPort)),
    ]);
  }

  /** Removes the whole table. */
  async remove(): Promise<void> {
    await this.#change([`add table ip ${this.#table}`, `delete table ip ${this.#table}`]);
  }

  #bridgeElements(verb: 'add' | 'delete', network: BridgeNetwork): string[] {
    const element = (set: string, value: string) => `${verb} element ip ${this.#table} ${set} { ${value} }`;
    const bridge = `"${network.bridgeName}"`;
    return [
      element('bridges', bridge),
      ...(network.interContainer ? [element('within', `${bridge} . ${bridge}`)] : []),
      ...(network.internal ? [element('internal', bridge)] : []),
      ...network.subnets.flatMap(({ subnet }) => {
        const range = formatRange(parseRange(subnet));
        return [
          element('subnets', range),
          ...(network.masquerade && !network.internal ? [element('masqueraded', range)] : []),
        ];
      }),
    ];
  }

  #portElement(verb: 'add' | 'delete', port: PortTarget, address: string, containerPort: number): string {
    const anyAddress = port.hostIp === '0.0.0.0';
    const key = [port.protocol, ...(anyAddress ? [] : [port.hostIp]), port.hostPort].join(' . ');
    const map = anyAddress ? 'published_any' : 'published';
    return `${verb} element ip ${this.#table} ${map} { ${key} : ${address} . ${containerPort} }`;
  }

  async #change(commands: string[]): Promise<void> {
    if (commands.length === 0) return;
    const done = Promise.withResolvers<void>();
    this.#waiting.push({ commands, done });
    this.#running ??= this.#work();
    await done.promise;
  }

  async #work(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        await runNft(batch.flatMap(({ commands }) => commands));
        for (const { done } of batch) done.resolve();
      } catch (error) {
        if (batch.length > 1) this.#logger.warn({ error: errorMessage(error) }, 'a batch of rules failed');
        await Promise.all(
          batch.map(({ commands, done }) =>
            batch.length === 1 ? done.reject(error) : runNft(commands).then(done.resolve, done.reject),
          ),
        );
      }
    }
    this.#running = undefined;
  }
}

/** @throws Internal with nft's own words. */
async function runNft(commands: readonly string[]): Promise<void> {
  const nft = spawn('nft', ['-f', '-'], { stdio: ['pipe', 'ignore', 'pipe'] });
  const ended = Promise.withResolvers<number | null>();
  let complaint = '';
  nft.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(0, 4096);
  });
  nft.on('error', ended.reject).on('close', ended.resolve);
  nft.stdin.on('error', () => {}).end(`${commands.join('\n')}\n`);
  const status = await ended.promise.catch((cause: unknown) => {
    throw new SlipwayError('FailedPrecondition', 'cannot run nft: install the package nftables', { cause });
  });
  if (status !== 0)
    throw new SlipwayError('Internal', `nft refused a change of the rules: ${complaint.trim()}`);
}

/** The table with the maps from published ports to containers. */
const portMaps = (table: string): string[] => [
  `add table ip ${table}`,
  `add map ip ${table} published { type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service; }`,
  `add map ip ${table} published_any { type inet_proto . inet_service : ipv4_addr . inet_service; }`,
];

function skeleton(table: string): string[] {
  const named = (kind: string, name: string, body: string) => `add ${kind} ip ${table} ${name} { ${body} }`;
  const chain = (name: string, hook: string, rules: readonly string[]) => [
    named('chain', name, hook),
    `flush chain ip ${table} ${name}`,
    ...rules.map((rule) => `add rule ip ${table} ${name} ${rule}`),
  ];
  const publishedRules = [
    'meta l4proto { tcp, udp, sctp } dnat ip to meta l4proto . ip daddr . th dport map @published',
    'meta l4proto { tcp, udp, sctp } fib daddr type local dnat ip to meta l4proto . th dport map @published_any',
  ];
  return [
    ...portMaps(table),
    named('set', 'bridges', 'type ifname;'),
    named('set', 'within', 'type ifname . ifname;'),
    named('set', 'internal', 'type ifname;'),
    named('set', 'subnets', 'type ipv4_addr; flags interval;'),
    named('set', 'masqueraded', 'type ipv4_addr; flags interval;'),
    // Published on loopback means this host only: nothing that comes from a wire may name it (CVE-2020-8558).
    ...chain('loopback', 'type filter hook prerouting priority raw; policy accept;', [
      'iifname != "lo" ip daddr 127.0.0.0/8 drop',
    ]),
    ...chain('arriving', 'type nat hook prerouting priority dstnat; policy accept;', publishedRules),
    ...chain('own', 'type nat hook output priority -100; policy accept;', publishedRules),
    ...chain('passing', 'type filter hook forward priority filter; policy accept;', [
      'ct state established,related accept',
      'iifname . oifname @within accept',
      'iifname @internal drop',
      'oifname @internal drop',
      'ct status dnat accept',
      'oifname @bridges drop',
    ]),
    ...chain('leaving', 'type nat hook postrouting priority srcnat; policy accept;', [
      'ip saddr 127.0.0.0/8 oifname @bridges masquerade',
      'ct status dnat ip saddr @subnets oifname @bridges masquerade',
      'ip saddr @masqueraded oifname != @bridges masquerade',
    ]),
  ];
}
