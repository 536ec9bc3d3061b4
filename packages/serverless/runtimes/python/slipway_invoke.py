"""One invocation: the context, the handler, and what became of it."""

import decimal
import json
import logging  # noqa: F401
import os
import sys
import time

from slipway_errors import RuntimeFailure, describe_error
from slipway_log import write_error


class _Fields:
    def __init__(self, values, names):
        for name, key in names.items():
            setattr(self, name, values.get(key))


class Client(_Fields):
    def __init__(self, values):
        super().__init__(
            values,
            {
                "installation_id": "installation_id",
                "app_title": "app_title",
                "app_version_name": "app_version_name",
                "app_version_code": "app_version_code",
                "app_package_name": "app_package_name",
            },
        )


class ClientContext:
    def __init__(self, values):
        self.client = Client(values.get("client") or {})
        self.custom = values.get("custom")
        self.env = values.get("env")


class CognitoIdentity:
    def __init__(self, values):
        self.cognito_identity_id = values.get("cognitoIdentityId")
        self.cognito_identity_pool_id = values.get("cognitoIdentityPoolId")


class LambdaContext:
    """See https://docs.aws.amazon.com/lambda/latest/dg/python-context.html"""

    def __init__(self, invocation):
        environ = os.environ
        self.aws_request_id = invocation.request_id
        self.log_group_name = environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = invocation.invoked_function_arn
        context = invocation.client_context
        self.client_context = ClientContext(json.loads(context)) if context else None
        self.identity = CognitoIdentity(json.loads(invocation.identity) if invocation.identity else {})
        self._deadline_ms = invocation.deadline_ms

    def get_remaining_time_in_millis(self):
        return max(0, int(self._deadline_ms - time.time() * 1000))

    def log(self, message):
        sys.stdout.write(str(message))
        sys.stdout.flush()


def run_handler(client, handler, invocation):
    request_id = invocation.request_id
    try:
        event = json.loads(invocation.body or b"null")
    except ValueError as error:
        tell_error(client, request_id, RuntimeFailure("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}"))
        return
    try:
        result = handler(event, LambdaContext(invocation))
    except Exception as error:  # noqa: BLE001 - whatever the function throws is its answer
        tell_error(client, request_id, error)
        return
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    try:
        body = json.dumps(result, ensure_ascii=False, default=to_serializable).encode()
    except (TypeError, ValueError) as error:
        failure = RuntimeFailure("Runtime.MarshalError", f"Unable to marshal response: {error}")
        tell_error(client, request_id, failure)
        return
    client.response(request_id, body)


def to_serializable(value):
    if isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def tell_error(client, request_id, error):
    described = describe_error(error, request_id)
    write_error(described)
    client.error(request_id, described)
