/** What a container that asks brings with it. */
export interface NameClient {
  /** Where its queries for names outside go; the host's servers when empty. */
  readonly nameServers: readonly string[];
  /** The names of its other networks. */
  readonly others: readonly NameTable[];
}

/** The names of one network: which addresses each stands for. Names are compared without case. */
export class NameTable {
  readonly #suffix: string;
  readonly #clients = new Map<string, NameClient>();
  readonly #byName = new Map<string, string[]>();
  readonly #byAddress = new Map<string, readonly string[]>();

  /** `NAME.NETWORK` is NAME too, as Docker has it. */
  constructor(networkName: string) {
    this.#suffix = `.${networkName.toLowerCase()}`;
  }

  /** Replaces the names of an address; none takes it out. */
  set(address: string, names: readonly string[]): void {
    for (const name of this.#byAddress.get(address) ?? []) this.#forget(name.toLowerCase(), address);
    this.#byAddress.delete(address);
    if (names.length === 0) return;
    this.#byAddress.set(address, names);
    for (const name of names) {
      const key = name.toLowerCase();
      const addresses = this.#byName.get(key);
      if (addresses === undefined) this.#byName.set(key, [address]);
      else if (!addresses.includes(address)) addresses.push(address);
    }
  }

  /** Tells who asks from an address; undefined: nobody any more. */
  setClient(address: string, client: NameClient | undefined): void {
    if (client === undefined) this.#clients.delete(address);
    else this.#clients.set(address, client);
  }

  /** Who asks from an address, when it is a container of this network. */
  findClient(address: string): NameClient | undefined {
    return this.#clients.get(address);
  }

  /** The addresses of a name, each time beginning with the next; undefined for an unknown name. */
  find(name: string): readonly string[] | undefined {
    const key = name.toLowerCase().replace(/\.$/, '');
    const bare = key.endsWith(this.#suffix) ? key.slice(0, -this.#suffix.length) : key;
    const addresses = this.#byName.get(key) ?? this.#byName.get(bare);
    if (addresses === undefined) return undefined;
    const answer = [...addresses];
    addresses.push(addresses.shift() as string);
    return answer;
  }

  /** The first name of an address. */
  nameOf(address: string): string | undefined {
    return this.#byAddress.get(address)?.[0];
  }

  #forget(key: string, address: string): void {
    const left = (this.#byName.get(key) ?? []).filter((each) => each !== address);
    if (left.length === 0) this.#byName.delete(key);
    else this.#byName.set(key, left);
  }
}
