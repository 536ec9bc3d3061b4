"""Finds the function that a handler's name says."""

import importlib
import os
import sys

from slipway_errors import RuntimeFailure, own_frames


def add_paths():
    """The function's own folder first, then the layers'."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    runtime = os.environ["LAMBDA_RUNTIME_DIR"]
    wanted = [
        os.environ["LAMBDA_TASK_ROOT"],
        f"/opt/python/lib/{version}/site-packages",
        "/opt/python",
    ]
    sys.path[:] = wanted + [path for path in sys.path if path not in wanted and path != runtime] + [runtime]
    # What was looked for before the code was put in place is forgotten. Not by `importlib.invalidate_caches`, which loads
    # more than all of a start does.
    sys.path_importer_cache.clear()


def load_handler(name):
    module_name, dot, function_name = name.rpartition(".")
    if not dot:
        raise RuntimeFailure(
            "Runtime.MalformedHandlerName",
            f"Bad handler '{name}': not enough values to unpack (expected 2, got 1)",
        )
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise RuntimeFailure(
            "Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}", []
        ) from error
    except SyntaxError as error:
        frame = f'  File "{error.filename}" Line {error.lineno}\n    {(error.text or "").rstrip()}\n'
        raise RuntimeFailure(
            "Runtime.UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", [frame]
        ) from error
    except RuntimeFailure:
        raise
    except Exception as error:
        error.frames = own_frames(error)
        raise
    handler = getattr(module, function_name, None)
    if handler is None:
        raise RuntimeFailure(
            "Runtime.HandlerNotFound", f"Handler '{function_name}' missing on module '{module_name}'", []
        )
    return handler
