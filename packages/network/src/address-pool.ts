import { SlipwayError } from '@slipway/base';
import { formatIpv4, lastOf, parseIpv4, parseRange, rangeContains } from './ipv4.ts';
import type { Subnet } from './network.ts';

/** Gives out the addresses of one subnet: the next free one after the last given, so that none is reused soon. */
export class AddressPool {
  readonly #subnet: Subnet;
  readonly #first: number;
  readonly #last: number;
  readonly #reserved: ReadonlySet<number>;
  readonly #taken = new Set<number>();
  #next: number;

  constructor(subnet: Subnet) {
    this.#subnet = subnet;
    const whole = parseRange(subnet.subnet);
    const range = subnet.ipRange === undefined ? whole : parseRange(subnet.ipRange);
    this.#first = range.base;
    this.#last = lastOf(range);
    this.#next = this.#first;
    this.#reserved = new Set([
      ...(whole.prefixLength < 31 ? [whole.base, lastOf(whole)] : []),
      parseIpv4(subnet.gateway),
      ...Object.values(subnet.auxiliaryAddresses).map(parseIpv4),
    ]);
  }

  get prefixLength(): number {
    return parseRange(this.#subnet.subnet).prefixLength;
  }

  get gateway(): string {
    return this.#subnet.gateway;
  }

  contains(address: string): boolean {
    return rangeContains(parseRange(this.#subnet.subnet), parseIpv4(address));
  }

  /** @throws ResourceExhausted when none is left. */
  take(): string {
    const size = this.#last - this.#first + 1;
    const limit = Math.min(size, this.#taken.size + this.#reserved.size + 1);
    for (let tried = 0; tried < limit; tried++) {
      const candidate = this.#next;
      this.#next = candidate === this.#last ? this.#first : candidate + 1;
      if (this.#taken.has(candidate) || this.#reserved.has(candidate)) continue;
      this.#taken.add(candidate);
      return formatIpv4(candidate);
    }
    throw new SlipwayError(
      'ResourceExhausted',
      `no available IPv4 addresses on this network's address pools: ${this.#subnet.ipRange ?? this.#subnet.subnet}`,
    );
  }

  /** Takes one address. @throws Conflict reason ADDRESS_IN_USE. */
  takeStatic(address: string): void {
    const wanted = parseIpv4(address);
    if (this.#taken.has(wanted) || this.#reserved.has(wanted)) {
      throw new SlipwayError('Conflict', `Address already in use: ${address}`, { reason: 'ADDRESS_IN_USE' });
    }
    this.#taken.add(wanted);
  }

  /** Takes an address that a running container is known to hold. */
  takeBack(address: string): void {
    const known = parseIpv4(address);
    this.#taken.add(known);
    if (known >= this.#next && known < this.#last) this.#next = known + 1;
  }

  release(address: string): void {
    this.#taken.delete(parseIpv4(address));
  }
}
