/** This command's version. */
export const SLIPWAY_VERSION = '0.1.0';
