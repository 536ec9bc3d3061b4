'use strict';

/** An error that the runtime itself raises, under the name that Lambda's callers know. */
class RuntimeError extends Error {
  constructor(name, message, cause) {
    super(message);
    this.name = name;
    if (cause?.stack !== undefined) this.stack = `${name}: ${message}\n${framesOf(cause.stack)}`;
  }
}

const framesOf = (stack) => {
  const at = stack.search(/^ {4}at /m);
  return at < 0 ? '' : stack.slice(at);
};

/** What an error is on the wire: `errorType`, `errorMessage`, `trace`; anything may be thrown. */
function describeError(error) {
  if (
    error !== null &&
    typeof error === 'object' &&
    typeof error.name !== 'undefined' &&
    'message' in error
  ) {
    const described = {
      errorType: String(error.name || 'Error'),
      errorMessage: String(error.message),
      trace: typeof error.stack === 'string' ? error.stack.split('\n') : [],
    };
    return described;
  }
  return { errorType: typeof error, errorMessage: String(error), trace: [] };
}

module.exports = { RuntimeError, describeError };
