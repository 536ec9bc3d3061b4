export { isPredefined, type Network } from './network.ts';
export { networkRoutes } from './routes.ts';
export {
  type Member,
  type NetworkConnector,
  NetworkService,
  type NetworkServiceOptions,
  openNetworkService,
} from './service.ts';
