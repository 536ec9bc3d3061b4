export type * from './accounts.ts';
export { accountRoutes } from './routes.ts';
export { type AccountService, type AccountsOptions, openAccounts } from './service.ts';
export { admitSigned, type SignedRequestRules } from './signed-request.ts';
export { tokenRoutes } from './token-routes.ts';
export { fits } from './visitor.ts';
