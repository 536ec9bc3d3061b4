/** How the runtime says that an invocation ended. */
export type Answer =
  | { readonly kind: 'response'; readonly payload: Uint8Array }
  | { readonly kind: 'error'; readonly payload: Uint8Array; readonly errorType: string };
