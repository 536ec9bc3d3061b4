import { SlipwayError } from '@slipway/base';
import { empty, json, type Route, type RouteRequest, readJson } from '@slipway/http';
import { z } from 'zod';
import type { Account, Accounts } from './accounts.ts';
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
  ];
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
        const name = nameOf(request);
        if (!accounts.listAccessKeys(name).some(({ accessKeyId }) => accessKeyId === id)) {
          throw new SlipwayError('NotFound', `the account "${name}" has no access key "${id}"`);
        }
        accounts.removeAccessKey(id);
        return empty(204);
      },
    },
  ];
}

const nameOf = ({ params }: RouteRequest): string => params['name'] ?? '';

const toWire = ({ name, isAdmin, grants, createdAtMs }: Account) => ({
  name,
  isAdmin,
  grants,
  createdAt: new Date(createdAtMs).toISOString(),
});
