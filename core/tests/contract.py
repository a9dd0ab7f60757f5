"""Whether an answer is one that the OpenAPI document describes."""

import re
from functools import cache

from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]  # of drf-spectacular

from core.openapi.schema import generating

JSON = "application/json"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
# 405 answers what is not in the document.
UNDESCRIBED = {405}

formats = FormatChecker(["uuid", "email"])


@formats.checks("date-time")
def is_moment(value):
    return not isinstance(value, str) or bool(MOMENT.fullmatch(value))


@cache
def document():
    with generating:
        # Of the product, whatever URLs the test that comes first has.
        return SchemaGenerator(urlconf="config.urls").get_schema(request=None, public=True)


def operations():
    """(name, operation) of everything in the envelope, e.g. `GET /api/v1/tags`."""
    return [
        (f"{method.upper()} {path}", operation)
        for path, item in document()["paths"].items()
        for method, operation in item.items()
        if path.startswith("/api/") and path != "/api/v1/files"
    ]


def resolved(part):
    """What a reference refers to; anything else as it is."""
    while "$ref" in part:
        steps = part["$ref"].removeprefix("#/").split("/")
        part = document()
        for step in steps:
            part = part[step]
    return part


def problems_of(value, schema):
    """What is wrong with a value, as text."""
    whole = {**schema, "components": document()["components"]}  # so that references lead somewhere
    validator = Draft202012Validator(whole, format_checker=formats)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


@cache
def patterns():
    """(regular expression, path) of every path, those without variables first."""
    paths = sorted(document()["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path) for path in paths]


def described(answer):
    """The operation that an answer belongs to; None where there is none, or the request did not reach it."""
    if answer.wsgi_request.resolver_match is None:
        return None  # a forged Host, or plain HTTP
    url, method = answer.request["PATH_INFO"], answer.request["REQUEST_METHOD"]
    path = next((path for pattern, path in patterns() if pattern.fullmatch(url.rstrip("/"))), None)
    return document()["paths"].get(path, {}).get(method.lower().replace("head", "get"))


def contradictions(answer):
    """Where the answer is not as its operation describes it."""
    operation = described(answer)
    if operation is None or answer.status_code in UNDESCRIBED:
        return []
    response = operation["responses"].get(str(answer.status_code))
    if response is None:
        return [f"{answer.status_code} is not described"]
    response = resolved(response)
    found = []
    for name, reference in response.get("headers", {}).items():
        header = resolved(reference)
        if name not in answer.headers:
            found += [f"{name} is missing"] if header.get("required") else []
        else:
            text = answer.headers[name]
            value = int(text) if header["schema"]["type"] == "integer" else text
            found += [f"{name}: {problem}" for problem in problems_of(value, header["schema"])]
    if answer.request["REQUEST_METHOD"] == "HEAD":
        return found
    content = response.get("content", {})
    if not content:
        return found + (["it has a body"] if answer.content else [])
    if JSON not in content:
        return found  # the bytes of a file
    if answer.headers["Content-Type"] != JSON:
        return [*found, f"its type is {answer.headers['Content-Type']}"]
    return found + problems_of(answer.json(), content[JSON]["schema"])
