package io.slipway.lambda;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/**
 * The Runtime API over one connection that is kept open. Not {@code java.net.http}: loading that takes longer than the rest
 * of a start.
 */
final class RuntimeClient {
  private static final String BASE = "/2018-06-01/runtime";
  private final String address;
  private final InputStream input;
  private final OutputStream output;

  RuntimeClient(String address) throws IOException {
    this.address = address;
    int colon = address.lastIndexOf(':');
    Socket socket = new Socket(address.substring(0, colon), Integer.parseInt(address.substring(colon + 1)));
    socket.setTcpNoDelay(true);
    input = new BufferedInputStream(socket.getInputStream());
    output = socket.getOutputStream();
  }

  Invocation next() throws IOException {
    Map<String, String> headers = new HashMap<>();
    byte[] body = request("GET", BASE + "/invocation/next", null, "", headers);
    return new Invocation(
        headers.get("lambda-runtime-aws-request-id"),
        Long.parseLong(headers.get("lambda-runtime-deadline-ms")),
        headers.get("lambda-runtime-invoked-function-arn"),
        headers.get("lambda-runtime-trace-id"),
        headers.get("lambda-runtime-client-context"),
        headers.get("lambda-runtime-cognito-identity"),
        body);
  }

  void response(String requestId, byte[] body) throws IOException {
    request("POST", BASE + "/invocation/" + requestId + "/response", body, "", new HashMap<>());
  }

  void error(String requestId, Failure failure) throws IOException {
    sendError(BASE + "/invocation/" + requestId + "/error", failure);
  }

  void initError(Failure failure) throws IOException {
    sendError(BASE + "/init/error", failure);
  }

  private void sendError(String path, Failure failure) throws IOException {
    byte[] body = Json.write(failure.toMap()).getBytes(StandardCharsets.UTF_8);
    String header = "Lambda-Runtime-Function-Error-Type: " + failure.errorType() + "\r\n";
    request("POST", path, body, header, new HashMap<>());
  }

  private byte[] request(String method, String path, byte[] body, String extra, Map<String, String> headers)
      throws IOException {
    StringBuilder head = new StringBuilder();
    head.append(method).append(' ').append(path).append(" HTTP/1.1\r\nHost: ").append(address).append("\r\n");
    head.append(extra);
    if (body != null) {
      head.append("Content-Type: application/json\r\nContent-Length: ").append(body.length).append("\r\n");
    }
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    bytes.write(head.append("\r\n").toString().getBytes(StandardCharsets.ISO_8859_1));
    if (body != null) bytes.write(body);
    bytes.writeTo(output);
    output.flush();
    readLine();
    for (String line = readLine(); !line.isEmpty(); line = readLine()) {
      int colon = line.indexOf(':');
      headers.put(line.substring(0, colon).toLowerCase(Locale.ROOT), line.substring(colon + 1).trim());
    }
    return input.readNBytes(Integer.parseInt(headers.getOrDefault("content-length", "0")));
  }

  private String readLine() throws IOException {
    ByteArrayOutputStream line = new ByteArrayOutputStream();
    for (int b = input.read(); b != '\n'; b = input.read()) {
      if (b < 0) throw new EOFException("the Runtime API closed the connection");
      if (b != '\r') line.write(b);
    }
    return line.toString(StandardCharsets.UTF_8);
  }
}
