"""What went wrong, as Lambda's callers are told it."""

import os
import traceback

RUNTIME = os.path.dirname(os.path.abspath(__file__))


class RuntimeFailure(Exception):
    """An error of the runtime's own, under the name that callers know."""

    def __init__(self, error_type, message, frames=()):
        super().__init__(message)
        self.error_type = error_type
        self.frames = list(frames)


def describe_error(error, request_id):
    if isinstance(error, RuntimeFailure):
        kind, frames = error.error_type, error.frames
    else:
        kind, frames = type(error).__name__, own_frames(error)
    return {
        "errorMessage": str(error),
        "errorType": kind,
        "requestId": request_id,
        "stackTrace": frames,
    }


def own_frames(error):
    """The frames of the function; those of the runtime above them say nothing."""
    entries = traceback.extract_tb(error.__traceback__)
    own = [entry for entry in entries if not is_own(entry.filename)]
    return traceback.format_list(own)


def is_own(filename):
    return filename.startswith(RUNTIME) or filename.startswith("<frozen importlib")
