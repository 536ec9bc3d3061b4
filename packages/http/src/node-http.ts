/**
 * node:http's values, not through its ES module face: that one reads every export, and the lazy `WebSocket` among them
 * would load undici, 16 MB of a daemon's memory.
 */
export const { createServer, ServerResponse } = process.getBuiltinModule('node:http');
