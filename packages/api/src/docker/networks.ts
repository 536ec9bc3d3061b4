import { z } from 'zod';
import { flag, labels, nullable, text } from './common.ts';
import { endpointSettingsSchema } from './containers.ts';

const ipamConfigSchema = z.object({ Subnet: text, IPRange: text, Gateway: text, AuxiliaryAddresses: labels });

/** The body of `POST /networks/create`. @see Docker Engine API v1.51, NetworkCreate */
export const createNetworkSchema = z.object({
  Name: text,
  CheckDuplicate: flag,
  Driver: text,
  Scope: text,
  Internal: flag,
  Attachable: flag,
  Ingress: flag,
  ConfigOnly: flag,
  EnableIPv4: flag,
  EnableIPv6: flag,
  IPAM: nullable(z.object({ Driver: text, Config: nullable(z.array(ipamConfigSchema)), Options: labels })),
  Options: labels,
  Labels: labels,
});

/** The body of `POST /networks/{id}/connect`. @see Docker Engine API v1.51, NetworkConnect */
export const connectNetworkSchema = z.object({
  Container: text,
  EndpointConfig: nullable(endpointSettingsSchema),
});

/** The body of `POST /networks/{id}/disconnect`. @see Docker Engine API v1.51, NetworkDisconnect */
export const disconnectNetworkSchema = z.object({ Container: text, Force: flag });

export type CreateNetworkBody = z.infer<typeof createNetworkSchema>;

/** A range of a network, as it was asked for and as it was settled. */
export interface IpamConfigBody {
  readonly Subnet?: string;
  readonly IPRange?: string;
  readonly Gateway?: string;
  readonly AuxiliaryAddresses?: Readonly<Record<string, string>>;
}

/** @see Docker Engine API v1.51, Network */
export interface NetworkBody {
  readonly Name: string;
  readonly Id: string;
  readonly Created: string;
  readonly Scope: 'local';
  readonly Driver: string;
  readonly EnableIPv4: boolean;
  readonly EnableIPv6: boolean;
  readonly IPAM: {
    readonly Driver: string;
    readonly Options: Readonly<Record<string, string>> | null;
    readonly Config: readonly IpamConfigBody[] | null;
  };
  readonly Internal: boolean;
  readonly Attachable: boolean;
  readonly Ingress: boolean;
  readonly ConfigFrom: { readonly Network: string };
  readonly ConfigOnly: boolean;
  readonly Containers: Readonly<
    Record<
      string,
      {
        readonly Name: string;
        readonly EndpointID: string;
        readonly MacAddress: string;
        readonly IPv4Address: string;
        readonly IPv6Address: string;
      }
    >
  >;
  readonly Options: Readonly<Record<string, string>>;
  readonly Labels: Readonly<Record<string, string>>;
}
