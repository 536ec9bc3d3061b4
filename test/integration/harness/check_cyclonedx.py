"""Checks the CycloneDX document on standard input against the schemas in a folder; says what is wrong, a line for each."""

import json
import os
import sys
import warnings

warnings.simplefilter("ignore")
from jsonschema import Draft7Validator, RefResolver, validators  # noqa: E402

folder, version = sys.argv[1:3]


def load(name):
    with open(os.path.join(folder, name + ".SNAPSHOT.schema.json")) as file:
        return json.load(file)


schema = load("bom-" + version)
beside = {
    f"http://cyclonedx.org/schema/{name}.SNAPSHOT.schema.json": load(name)
    for name in ["spdx", "jsf-0.82", "cryptography-defs"]
}
# Debian 12's jsonschema cannot say which items are too many; CycloneDX limits their number beside it.
Checker = validators.extend(Draft7Validator, {"additionalItems": lambda *_: iter(())})
for error in Checker(schema, resolver=RefResolver.from_schema(schema, store=beside)).iter_errors(json.load(sys.stdin)):
    print(list(error.absolute_path), error.message[:200])
