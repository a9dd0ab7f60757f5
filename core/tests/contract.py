"""The check that a response is one that the OpenAPI document describes."""

import re
from functools import cache

from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]  # of drf-spectacular

from core.openapi.document import generating

JSON = "application/json"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
# The document does not describe the responses with 405.
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
    """Return (name, operation) of everything in the envelope, e.g. `GET /api/v1/tags`."""
    return [
        (f"{method.upper()} {path}", operation)
        for path, item in document()["paths"].items()
        for method, operation in item.items()
        if path.startswith("/api/") and path != "/api/v1/files"
    ]


def resolved(part):
    """Return the object of a reference; anything else as it is."""
    while "$ref" in part:
        steps = part["$ref"].removeprefix("#/").split("/")
        part = document()
        for step in steps:
            part = part[step]
    return part


def problems_of(value, schema):
    """Return the problems of a value, as text."""
    whole = {**schema, "components": document()["components"]}  # so that references lead somewhere
    validator = Draft202012Validator(whole, format_checker=formats)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


@cache
def patterns():
    """Return (regular expression, path) of every path, those without variables first."""
    paths = sorted(document()["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path) for path in paths]


def described(response):
    """Return the operation of a response; None if there is none, or the request did not reach it."""
    if response.wsgi_request.resolver_match is None:
        return None  # a forged Host, or plain HTTP
    url, method = response.request["PATH_INFO"], response.request["REQUEST_METHOD"]
    path = next((path for pattern, path in patterns() if pattern.fullmatch(url.rstrip("/"))), None)
    return document()["paths"].get(path, {}).get(method.lower().replace("head", "get"))


def contradictions(response):
    """Return the differences between the response and its operation."""
    operation = described(response)
    if operation is None or response.status_code in UNDESCRIBED:
        return []
    documented = operation["responses"].get(str(response.status_code))
    if documented is None:
        return [f"{response.status_code} is not described"]
    documented = resolved(documented)
    problems = []
    for name, reference in documented.get("headers", {}).items():
        header = resolved(reference)
        if name not in response.headers:
            problems += [f"{name} is missing"] if header.get("required") else []
        else:
            text = response.headers[name]
            value = int(text) if header["schema"]["type"] == "integer" else text
            problems += [f"{name}: {problem}" for problem in problems_of(value, header["schema"])]
    if response.request["REQUEST_METHOD"] == "HEAD":
        return problems
    content = documented.get("content", {})
    if not content:
        return problems + (["it has a body"] if response.content else [])
    if JSON not in content:
        return problems  # the bytes of a file
    if response.headers["Content-Type"] != JSON:
        return [*problems, f"its type is {response.headers['Content-Type']}"]
    return problems + problems_of(response.json(), content[JSON]["schema"])
