package io.slipway.lambda;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What went wrong, as Lambda's callers are told it. */
record Failure(String errorType, String errorMessage, List<String> stackTrace, Failure cause) {
  /** An error of the runtime's own, under the name that callers know. */
  static final class RuntimeFailure extends RuntimeException {
    private static final long serialVersionUID = 1L;
    final String errorType;

    RuntimeFailure(String errorType, String message, Throwable cause) {
      super(message, cause);
      this.errorType = errorType;
    }
  }

  static Failure of(Throwable error) {
    if (error instanceof RuntimeFailure own) return new Failure(own.errorType, own.getMessage(), List.of(), null);
    List<String> frames = new ArrayList<>();
    for (StackTraceElement frame : error.getStackTrace()) {
      if (frame.getClassName().startsWith("io.slipway.lambda.") || frame.getClassName().contains(".reflect.")) break;
      frames.add(frame.toString());
    }
    Throwable cause = error.getCause();
    return new Failure(
        error.getClass().getName(), error.getMessage(), frames, cause == null || cause == error ? null : of(cause));
  }

  Map<String, Object> toMap() {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("errorMessage", errorMessage);
    map.put("errorType", errorType);
    map.put("stackTrace", stackTrace);
    if (cause != null) map.put("cause", cause.toMap());
    return map;
  }

  /** One event: its lines are parted by carriage returns, which whoever reads it turns back. */
  String logLine() {
    StringBuilder text = new StringBuilder();
    if (errorMessage != null) text.append(errorMessage).append(": ");
    text.append(errorType);
    for (String frame : stackTrace) text.append("\r\tat ").append(frame);
    return text.toString().replace('\n', '\r');
  }
}
