import type { CreateFunctionUrlConfigRequest, FunctionUrlConfig } from '@aws-sdk/client-lambda';
import { SlipwayError } from '@slipway/base/errors';
import type { Client } from '@slipway/client';

/** What of a URL is asked for. */
export type UrlSettings = Pick<
  CreateFunctionUrlConfigRequest,
  'AuthType' | 'Cors' | 'InvokeMode' | 'Qualifier'
>;

/** Gives the function a URL, or changes what it has; one without authentication is opened to everybody who reaches the port. */
export async function openUrl(
  { functions }: Pick<Client, 'functions'>,
  name: string,
  settings: UrlSettings,
): Promise<FunctionUrlConfig> {
  const exists = (await functions.findUrl(name, settings.Qualifier)) !== undefined;
  const url = exists ? await functions.updateUrl(name, settings) : await functions.createUrl(name, settings);
  if (settings.AuthType === 'NONE') {
    await functions.allowUrl(name, settings.Qualifier).catch((error) => {
      // It is open already.
      if (!(error instanceof SlipwayError && error.code === 'Conflict')) throw error;
    });
  }
  return url;
}
