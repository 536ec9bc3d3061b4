import { isUtf8 } from 'node:buffer';

/** Bytes as an event carries them: as text where they are, else as base64. */
export const dataMembers = (
  data: Uint8Array,
): { readonly data: string; readonly isBase64Encoded: boolean } => {
  const isText = isUtf8(data);
  return { data: Buffer.from(data).toString(isText ? 'utf8' : 'base64'), isBase64Encoded: !isText };
};

/** A server's address as it may be told. */
export const withoutPassword = (url: string): string => url.replace(/(:\/\/[^:@/]*:)[^@/]*@/, '$1***@');
