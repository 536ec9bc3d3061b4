package com.amazonaws.services.lambda.runtime;

/** A handler of objects, which are made from JSON and back. */
public interface RequestHandler<I, O> {
  O handleRequest(I input, Context context);
}
