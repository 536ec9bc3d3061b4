'use strict';
const fs = require('node:fs');
const path = require('node:path');
const { pathToFileURL } = require('node:url');
const { RuntimeError } = require('./errors.cjs');

/** `folder/file.export.nested`: what is before the first dot of the last part is the file. */
const HANDLER = /^([^.]*)\.(.*)$/;

/**
 * The function that a handler's name says.
 * @throws RuntimeError Runtime.MalformedHandlerName, Runtime.ImportModuleError, Runtime.UserCodeSyntaxError,
 * Runtime.HandlerNotFound; whatever the code itself throws
 */
async function loadHandler(root, name) {
  if (name.includes('..')) {
    throw new RuntimeError(
      'Runtime.MalformedHandlerName',
      `'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const folder = name.slice(0, name.length - path.basename(name).length);
  const match = HANDLER.exec(path.basename(name));
  if (match === null) throw new RuntimeError('Runtime.MalformedHandlerName', 'Bad handler');
  const [, file, exported] = match;
  const loaded = await importFile(path.resolve(root, folder), file);
  const handler = exported.split('.').reduce((value, key) => value?.[key], loaded);
  if (handler === undefined || handler === null) {
    throw new RuntimeError('Runtime.HandlerNotFound', `${name} is undefined or not exported`);
  }
  if (typeof handler !== 'function') {
    throw new RuntimeError('Runtime.HandlerNotFound', `${name} is not a function`);
  }
  return handler;
}

async function importFile(folder, file) {
  const base = path.join(folder, file);
  try {
    if (isFile(base)) return require(base);
    if (isFile(`${base}.js`)) return isModule(folder) ? await importUrl(`${base}.js`) : require(`${base}.js`);
    if (isFile(`${base}.mjs`)) return await importUrl(`${base}.mjs`);
    if (isFile(`${base}.cjs`)) return require(`${base}.cjs`);
    return require(require.resolve(file, { paths: [folder] }));
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new RuntimeError('Runtime.UserCodeSyntaxError', String(error), error);
    }
    if (error?.code === 'MODULE_NOT_FOUND' || error?.code === 'ERR_MODULE_NOT_FOUND') {
      throw new RuntimeError('Runtime.ImportModuleError', String(error), error);
    }
    throw error;
  }
}

const importUrl = (file) => import(pathToFileURL(file).href);

const isFile = (name) => fs.statSync(name, { throwIfNoEntry: false })?.isFile() === true;

/** Whether the nearest package.json makes `.js` a module. */
function isModule(folder) {
  for (let at = folder; ; at = path.dirname(at)) {
    try {
      return JSON.parse(fs.readFileSync(path.join(at, 'package.json'), 'utf8')).type === 'module';
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
    if (at === '/' || path.basename(at) === 'node_modules') return false;
  }
}

module.exports = { loadHandler };
