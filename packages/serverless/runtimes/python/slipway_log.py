"""Logging as Lambda sets it up: a handler on the root logger, whose lines carry the request's id."""

import json
import logging
import os
import sys
import time

_request_id = None
JSON_FORMAT = "JSON"
LEVELS = {"TRACE": 5, "DEBUG": 10, "INFO": 20, "WARN": 30, "ERROR": 40, "FATAL": 50}
# What every record has; the rest was given by `extra`.
_STANDARD = set(vars(logging.LogRecord("", 0, "", 0, "", (), None)))


def set_request_id(request_id):
    global _request_id
    _request_id = request_id


class _Handler(logging.Handler):
    """One event is one line: what breaks it is a carriage return, which whoever reads it turns back."""

    def emit(self, record):
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - as logging itself has it
            self.handleError(record)
            return
        sys.stdout.write(line.rstrip("\n").replace("\n", "\r") + "\n")
        sys.stdout.flush()


class _RequestId(logging.Filter):
    def filter(self, record):
        record.aws_request_id = _request_id or ""
        return True


class _JsonFormatter(logging.Formatter):
    def format(self, record):
        entry = {
            "timestamp": timestamp(record.created)[:-5] + "Z",
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info:
            kind, error, _ = record.exc_info
            entry["stackTrace"] = self.formatException(record.exc_info).split("\n")[1:-1]
            entry["errorType"] = kind.__name__
            entry["errorMessage"] = str(error)
            entry["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
        entry["requestId"] = _request_id
        for name, value in vars(record).items():
            if name not in _STANDARD and name not in entry and name not in ("aws_request_id", "message", "asctime"):
                entry[name] = value
        return json.dumps(entry, default=str)


def timestamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03d}Z"


class _TextFormatter(logging.Formatter):
    def formatTime(self, record, datefmt=None):
        return timestamp(record.created)


def set_up_logging():
    root = logging.getLogger()
    handler = _Handler()
    handler.addFilter(_RequestId())
    if os.environ.get("AWS_LAMBDA_LOG_FORMAT") == JSON_FORMAT:
        handler.setFormatter(_JsonFormatter())
        root.setLevel(LEVELS.get(os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper(), logging.INFO))
    else:
        handler.setFormatter(_TextFormatter("[%(levelname)s]\t%(asctime)s\t%(aws_request_id)s\t%(message)s"))
    root.addHandler(handler)


def write_error(described):
    """The runtime's own line of what went wrong."""
    if os.environ.get("AWS_LAMBDA_LOG_FORMAT") == JSON_FORMAT:
        line = json.dumps({"timestamp": timestamp(time.time()), "log_level": "ERROR", **described})
    else:
        message = described["errorMessage"]
        line = f"[ERROR] {described['errorType']}" + (f": {message}" if message else "")
        if described["stackTrace"]:
            line += "\nTraceback (most recent call last):\n" + "".join(described["stackTrace"])
    sys.stdout.write(line.rstrip("\n").replace("\n", "\r") + "\n")
    sys.stdout.flush()
