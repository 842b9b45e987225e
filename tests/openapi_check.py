#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds answers of reseatd to docs/openapi.yaml.

openapi_check.py SPEC routes API.def            the routes of the document are those of the table
openapi_check.py SPEC METHOD PATH STATUS <BODY  a JSON answer fits the schema of its route and status
Only what the document uses of JSON Schema is understood; an unknown keyword is an error, as is a field that the schema
does not name.
"""
import json
import re
import sys

import yaml

KNOWN = {"type", "required", "properties", "items", "nullable", "enum", "allOf", "description", "minimum", "maximum",
         "default", "maxLength", "additionalProperties", "oneOf"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}


def resolve(spec, node):
    while "$ref" in node:
        target = spec
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = target
    return node


def flatten(spec, schema):
    """One object schema out of allOf parts."""
    schema = resolve(spec, schema)
    unknown = set(schema) - KNOWN
    assert not unknown, f"keywords that this checker does not know: {unknown}"
    if "allOf" not in schema:
        return schema
    whole = {"type": "object", "required": [], "properties": {}}
    for part in schema["allOf"]:
        part = flatten(spec, part)
        whole["required"] += part.get("required", [])
        whole["properties"].update(part.get("properties", {}))
    return whole


def fits(spec, schema, value):
    try:
        check(spec, schema, value, "")
        return True
    except AssertionError:
        return False


def check(spec, schema, value, at):
    schema = flatten(spec, schema)
    if "oneOf" in schema:
        assert sum(fits(spec, s, value) for s in schema["oneOf"]) == 1, f"{at}: fits not one of its schemas"
        return
    if value is None:
        assert schema.get("nullable"), f"{at}: null, and the document does not allow it"
        return
    kind = schema.get("type")
    if kind:
        right = isinstance(value, TYPES[kind]) and not (kind in ("integer", "number") and isinstance(value, bool))
        assert right, f"{at}: {value!r} is no {kind}"
    if "enum" in schema:
        assert value in schema["enum"], f"{at}: {value!r} is none of {schema['enum']}"
    if kind == "array":
        for i, item in enumerate(value):
            check(spec, schema["items"], item, f"{at}[{i}]")
    if kind == "object" and "properties" in schema:
        for name in schema.get("required", []):
            assert name in value, f"{at}: {name} is missing"
        for name, item in value.items():
            assert name in schema["properties"], f"{at}: {name} is not in the document"
            check(spec, schema["properties"][name], item, f"{at}.{name}")


def routes(spec, table):
    with open(table) as f:
        code = {(m.lower(), re.sub(r"\{\}", "{id}", p)): sorted(q.split())
                for m, p, q in re.findall(r'^ROUTE\((\w+), "([^"]+)", \w+, "([^"]*)"\)', f.read(), re.M)}
    document = {(m, p): sorted(x["name"] for x in op.get("parameters", []) if x["in"] == "query")
                for p, methods in spec["paths"].items() for m, op in methods.items()}
    assert code and code == document, f"routes differ: {sorted(set(map(str, code.items())) ^ set(map(str, document.items())))}"
    print(f"{len(code)} routes, the same in the document and in the code")


def answer(spec, method, path, status):
    path = path.split("?")[0]
    for pattern, methods in spec["paths"].items():
        if method.lower() in methods and re.fullmatch(re.sub(r"\{\w+\}", ".+", pattern), path):
            responses = methods[method.lower()]["responses"]
            response = resolve(spec, responses.get(status) or responses.get("default"))
            content = response["content"].get("application/json")
            if content:
                check(spec, content["schema"], json.load(sys.stdin), path)
            return
    check(spec, spec["components"]["schemas"]["Error"], json.load(sys.stdin), path)


def main():
    with open(sys.argv[1]) as f:
        spec = yaml.safe_load(f)
    try:
        if sys.argv[2] == "routes":
            routes(spec, sys.argv[3])
        else:
            answer(spec, *sys.argv[2:5])
    except AssertionError as e:
        sys.exit(f"openapi: {e}")


main()
