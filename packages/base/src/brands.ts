declare const brand: unique symbol;

/** A string that was checked once and must not be confused with another kind of string. */
export type Brand<Name extends string> = string & { readonly [brand]: { readonly [K in Name]: true } };

/** A container's 64 hex digits. */
export type ContainerId = Brand<'ContainerId'>;

/** An absolute path as the host sees it. */
export type HostPath = Brand<'HostPath'>;

/** An absolute path as a container sees it. */
export type ContainerPath = Brand<'ContainerPath'>;

export const hostPath = (path: string): HostPath => path as HostPath;
export const containerPath = (path: string): ContainerPath => path as ContainerPath;
export const containerId = (id: string): ContainerId => id as ContainerId;
