import { SlipwayError } from '@slipway/base';
import { empty, json, type Route, type RouteRequest, readJson } from '@slipway/http';
import { z } from 'zod';
import type { AccessKey, Account, Accounts } from './accounts.ts';
import { ALL_ACTIONS } from './visitor.ts';

const action = z.enum(ALL_ACTIONS as readonly ['pull', 'push', 'delete']);
const grant = z.strictObject({ repositories: z.string(), actions: z.array(action) });
const changes = { password: z.string(), isAdmin: z.boolean(), grants: z.array(grant) };
const updateSchema = z.strictObject(changes).partial();
const createSchema = z
  .strictObject({ name: z.string(), ...changes })
  .partial({ isAdmin: true, grants: true });

/** Accounts and their access keys, for those who may use the Unix socket. */
export function accountRoutes(accounts: Accounts): Route[] {
  return [
    { method: 'GET', path: '/slipway/accounts', handler: () => json(200, accounts.list().map(toWire)) },
    {
      method: 'POST',
      path: '/slipway/accounts',
      handler: async (request) => {
        const { name, password, isAdmin = false, grants = [] } = await readJson(request, createSchema);
        return json(201, toWire(await accounts.add({ name, password, isAdmin, grants })));
      },
    },
    {
      method: 'PUT',
      path: '/slipway/accounts/:name',
      handler: async (request) => {
        const { password, isAdmin, grants } = await readJson(request, updateSchema);
        const account = await accounts.update(nameOf(request), {
          ...(password === undefined ? {} : { password }),
          ...(isAdmin === undefined ? {} : { isAdmin }),
          ...(grants === undefined ? {} : { grants }),
        });
        return json(200, toWire(account));
      },
    },
    {
      method: 'DELETE',
      path: '/slipway/accounts/:name',
      handler: (request) => {
        accounts.remove(nameOf(request));
        return empty(204);
      },
    },
    ...keyRoutes(accounts),
    ...accessKeyRoutes(accounts),
  ];
}

/** Access keys as AWS's IAM has them: of `root` unless `?user=` names another. */
function accessKeyRoutes(accounts: Accounts): Route[] {
  const path = '/slipway/access-keys';
  const userOf = ({ query }: RouteRequest) => query.get('user') ?? undefined;
  return [
    {
      method: 'GET',
      path,
      handler: (request) => json(200, accounts.listAccessKeys(userOf(request)).map(toKeyMetadata)),
    },
    {
      method: 'POST',
      path,
      handler: (request) => {
        const key = accounts.addAccessKey(userOf(request));
        return json(201, { ...toKeyMetadata(key), SecretAccessKey: key.secretAccessKey });
      },
    },
    {
      method: 'DELETE',
      path: `${path}/:id`,
      handler: (request) => {
        const { id = '' } = request.params;
        const user = userOf(request);
        if (user !== undefined) requireKey(accounts, user, id);
        accounts.removeAccessKey(id);
        return empty(204);
      },
    },
  ];
}

const toKeyMetadata = ({ account, accessKeyId, createdAtMs }: Omit<AccessKey, 'secretAccessKey'>) => ({
  UserName: account,
  AccessKeyId: accessKeyId,
  Status: 'Active',
  CreateDate: new Date(createdAtMs).toISOString(),
});

function requireKey(accounts: Accounts, name: string, id: string): void {
  if (accounts.listAccessKeys(name).some(({ accessKeyId }) => accessKeyId === id)) return;
  throw new SlipwayError('NotFound', `the account "${name}" has no access key "${id}"`);
}

function keyRoutes(accounts: Accounts): Route[] {
  return [
    {
      method: 'GET',
      path: '/slipway/accounts/:name/keys',
      handler: (request) =>
        json(
          200,
          accounts.listAccessKeys(nameOf(request)).map(({ accessKeyId }) => ({ accessKeyId })),
        ),
    },
    {
      method: 'POST',
      path: '/slipway/accounts/:name/keys',
      handler: async (request) => {
        await readJson(request, z.strictObject({}));
        const { accessKeyId, secretAccessKey } = accounts.addAccessKey(nameOf(request));
        return json(201, { accessKeyId, secretAccessKey });
      },
    },
    {
      method: 'DELETE',
      path: '/slipway/accounts/:name/keys/:id',
      handler: (request) => {
        const { id = '' } = request.params;
        requireKey(accounts, nameOf(request), id);
        accounts.removeAccessKey(id);
        return empty(204);
      },
    },
  ];
}

const nameOf = ({ params }: RouteRequest): string => params['name'] ?? '';

const toWire = ({ name, isAdmin, grants, hasPassword, createdAtMs }: Account) => ({
  name,
  isAdmin,
  grants,
  hasPassword,
  createdAt: new Date(createdAtMs).toISOString(),
});
