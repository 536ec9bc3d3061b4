/**
 * An annotation of the specification: a runtime that brings a network stack of its own uses the kernel's, in the container's
 * namespace. For whoever serves the container on a socket inside that namespace.
 */
export const KERNEL_NETWORK = 'io.slipway.kernel-network';
