export * from './json-lines.ts';
