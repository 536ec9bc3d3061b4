import { isIP } from 'node:net';
import { z } from 'zod';

const DOCKER_HUB = 'docker.io';
const URL_WORDS = 'must be [%]URL with a URL as https://mirror.example';

/** `[HOST=]URL`. */
export function parseMirror(text: string, context: z.RefinementCtx): { domain: string; url: string } {
  const { name, url } = splitName(text);
  if (url === undefined || url.username !== '' || !isHost(name ?? DOCKER_HUB)) {
    context.addIssue(URL_WORDS.replace('%', 'HOST='));
    return z.NEVER;
  }
  return { domain: name ?? DOCKER_HUB, url: trimmed(url) };
}

/** `[PREFIX=]URL`; the URL may say user and password. */
export function parseProxy(
  text: string,
  context: z.RefinementCtx,
): { prefix: string; url: string; credentials?: { username: string; password: string } } {
  const { name: prefix = '', url } = splitName(text);
  if (url === undefined || !/^(?:[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)?$/.test(prefix)) {
    context.addIssue(URL_WORDS.replace('%', 'PREFIX='));
    return z.NEVER;
  }
  const credentials = {
    username: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
  };
  url.username = '';
  url.password = '';
  return { prefix, url: trimmed(url), ...(credentials.username === '' ? {} : { credentials }) };
}

/** `HOST`, `HOST:PORT`, `ADDRESS/BITS`. */
export function isHostOrNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  if (bits === undefined) return isHost(text);
  const most = { 4: 32, 6: 128 }[isIP(address)];
  return most !== undefined && rest.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= most;
}

/** What was written, fit to be shown. */
export const withoutPassword = (text: string): string => text.replace(/(:\/\/)[^/@\s"]*@/g, '$1***@');

function splitName(text: string): { name: string | undefined; url: URL | undefined } {
  const [, name, rest = ''] = /^(?:([^=:/]+(?::\d+)?(?:\/[^=:]*)?)=)?(.*)$/.exec(text) ?? [];
  const url = URL.canParse(rest) ? new URL(rest) : undefined;
  const isFit = url !== undefined && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '';
  return { name, url: isFit ? url : undefined };
}

const isHost = (text: string): boolean =>
  /^(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[a-f0-9:]+\])(?::\d{1,5})?$/i.test(text);

const trimmed = (url: URL): string => url.href.replace(/\/+$/, '');
