"""The Runtime API over one connection that is kept open.

Not `http.client`: importing that takes longer than the rest of a start.
See https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import socket

BASE = "/2018-06-01/runtime"


class Invocation:
    __slots__ = ("request_id", "deadline_ms", "invoked_function_arn", "trace_id", "client_context", "identity", "body")

    def __init__(self, headers, body):
        self.request_id = headers["lambda-runtime-aws-request-id"]
        self.deadline_ms = int(headers["lambda-runtime-deadline-ms"])
        self.invoked_function_arn = headers["lambda-runtime-invoked-function-arn"]
        self.trace_id = headers.get("lambda-runtime-trace-id")
        self.client_context = headers.get("lambda-runtime-client-context")
        self.identity = headers.get("lambda-runtime-cognito-identity")
        self.body = body


class RuntimeClient:
    def __init__(self, address):
        self._address = address
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self._socket.makefile("rb")

    def assignment(self):
        """Whose this process is to be. Of Slipway alone."""
        _, body = self._request("GET", "/slipway/assignment")
        return json.loads(body)

    def next(self):
        return Invocation(*self._request("GET", f"{BASE}/invocation/next"))

    def response(self, request_id, body):
        self._request("POST", f"{BASE}/invocation/{request_id}/response", body)

    def error(self, request_id, error):
        self._send_error(f"{BASE}/invocation/{request_id}/error", error)

    def init_error(self, error):
        self._send_error(f"{BASE}/init/error", error)

    def _send_error(self, path, error):
        kind = error["errorType"].encode("ascii", "replace").decode()
        self._request("POST", path, json.dumps(error).encode(), f"Lambda-Runtime-Function-Error-Type: {kind}\r\n")

    def _request(self, method, path, body=None, headers=""):
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._address}\r\n{headers}"
        if body is None:
            self._socket.sendall(f"{head}\r\n".encode())
        else:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            self._socket.sendall(head.encode() + body)
        return self._receive()

    def _receive(self):
        if not self._reader.readline():
            raise ConnectionError("the Runtime API closed the connection")
        headers = {}
        while True:
            line = self._reader.readline()
            if line in (b"\r\n", b""):
                break
            name, _, value = line.decode("utf-8", "replace").partition(":")
            headers[name.strip().lower()] = value.strip()
        return headers, self._reader.read(int(headers.get("content-length", 0)))
