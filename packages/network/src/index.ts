export { formatHosts, type HostsFile } from './names/hosts-file.ts';
export {
  formatResolvConf,
  parseResolvConf,
  type ResolvConf,
  type ResolvConfRequest,
} from './names/resolv-conf.ts';
export type * from './network.ts';
export { type NetworksOptions, openNetworks } from './networks.ts';
