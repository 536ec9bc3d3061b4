'use strict';
const { format } = require('node:util');

const LEVELS = { TRACE: 0, DEBUG: 1, INFO: 2, WARN: 3, ERROR: 4, FATAL: 5 };
const METHODS = { trace: 'TRACE', debug: 'DEBUG', info: 'INFO', log: 'INFO', warn: 'WARN', error: 'ERROR' };

let requestId;

/** What lines are marked with from now on. */
function setRequestId(id) {
  requestId = id;
}

/** Makes `console` write what Lambda's logs look like: tab-separated, or JSON when the function's logging says so. */
function patchConsole() {
  const isJson = process.env.AWS_LAMBDA_LOG_FORMAT === 'JSON';
  const least = isJson ? (LEVELS[process.env.AWS_LAMBDA_LOG_LEVEL?.toUpperCase()] ?? LEVELS.INFO) : 0;
  const formatLine = isJson ? jsonLine : textLine;
  for (const [method, level] of Object.entries(METHODS)) {
    console[method] =
      LEVELS[level] < least
        ? () => {}
        : (...values) => {
            process.stdout.write(`${formatLine(level, values)}\n`);
          };
  }
}

/** A line is an event: what breaks one is written as a carriage return, which whoever reads it turns back. */
const textLine = (level, values) =>
  `${new Date().toISOString()}\t${requestId ?? 'undefined'}\t${level}\t${format(...values)}`.replace(
    /\n/g,
    '\r',
  );

function jsonLine(level, values) {
  const [first] = values;
  const record = { timestamp: new Date().toISOString(), level, requestId };
  record.message = values.length === 1 && !(first instanceof Error) ? first : format(...values);
  const error = values.find((value) => value instanceof Error);
  if (error !== undefined) {
    record.errorType = error.name;
    record.errorMessage = error.message;
    record.stackTrace = String(error.stack).split('\n');
  }
  try {
    return JSON.stringify(record);
  } catch {
    // It refers to itself, or holds what JSON cannot.
    return JSON.stringify({ ...record, message: format(...values) });
  }
}

module.exports = { patchConsole, setRequestId };
