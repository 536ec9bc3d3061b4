"""The runtime of `python*`: takes invocations from the Runtime API and gives them to the function's handler.

When it was started ahead, it first waits to be told whose it is: a function's variables are there before any of its
code runs. What a start does not need is imported where it is used.
"""

import json
import os
import sys

from slipway_client import RuntimeClient


def main():
    client = RuntimeClient(os.environ["AWS_LAMBDA_RUNTIME_API"])
    if os.environ.get("SLIPWAY_PREPARED") == "1":
        # Loaded now, while nobody waits.
        import slipway_invoke  # noqa: F401

        become(client.assignment()["variables"])
    os.environ.pop("SLIPWAY_PREPARED", None)

    from slipway_errors import describe_error
    from slipway_invoke import run_handler
    from slipway_load import add_paths, load_handler
    from slipway_log import set_request_id, set_up_logging

    add_paths()
    set_up_logging()
    try:
        handler = load_handler(os.environ["_HANDLER"])
    except BaseException as error:  # noqa: BLE001 - also a SystemExit is the function's failure
        described = describe_error(error, request_id="")
        print_error(described)
        client.init_error(described)
        sys.exit(1)
    while True:
        invocation = client.next()
        set_request_id(invocation.request_id)
        if invocation.trace_id:
            os.environ["_X_AMZN_TRACE_ID"] = invocation.trace_id
        else:
            os.environ.pop("_X_AMZN_TRACE_ID", None)
        run_handler(client, handler, invocation)
        set_request_id(None)


def become(variables):
    for name in list(os.environ):
        if name not in variables:
            del os.environ[name]
    os.environ.update(variables)
    # The folder that it started in lies under the code now.
    os.chdir(os.environ["LAMBDA_TASK_ROOT"])


def print_error(described):
    from slipway_log import write_error

    write_error(described)


if __name__ == "__main__":
    try:
        main()
    except ConnectionError as error:
        sys.stderr.write(json.dumps({"errorType": "Runtime.Unknown", "errorMessage": str(error)}) + "\n")
        sys.exit(1)
