package io.slipway.lambda;

/** One invocation, as the Runtime API hands it over. Absent texts are null. */
record Invocation(
    String requestId,
    long deadlineMs,
    String invokedFunctionArn,
    String traceId,
    String clientContext,
    String identity,
    byte[] body) {}
