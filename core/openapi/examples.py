"""Examples in the OpenAPI document, composed from those of the single fields, so that they follow the schema.

A serializer names what its fields need in `examples`, or a field class in `example`; ids, times and choices
have theirs by their type.
"""

from typing import Any

Schema = dict[str, Any]

BY_FORMAT = {
    "uuid": "0198c5a4-7d0e-7b3c-9a51-3f0d6e2b8c17",
    "date-time": "2026-03-14T09:26:53.589793Z",
    "date": "2026-03-14",
    "time": "09:26:53",
    "decimal": "1",
    "email": "ada@example.com",
    "uri": "https://example.com",
}
BY_TYPE: dict[str, Any] = {"boolean": True, "integer": 1, "null": None}


def compose(schema: Schema, components: Schema) -> Any:
    """Return a value of this schema. A text without an example is "string", which a test refuses."""
    if "$ref" in schema:
        return compose(components["schemas"][schema["$ref"].rsplit("/", 1)[1]], components)
    if "examples" in schema:
        return schema["examples"][0]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for key in ("allOf", "oneOf", "anyOf"):
        if key in schema:
            return compose(schema[key][0], components)
    kind = schema.get("type")
    if kind == "object":
        return {name: compose(item, components) for name, item in schema.get("properties", {}).items()}
    if kind == "array":
        return [compose(schema["items"], components)]
    if isinstance(kind, list) and "null" in kind:
        return None
    return BY_FORMAT.get(schema.get("format", ""), BY_TYPE.get(str(kind), "string"))


def add_examples(document: Schema) -> None:
    """Give every body of the document an example that has none."""
    for path in document["paths"].values():
        for operation in path.values():
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            for media in (media for body in bodies for media in body.get("content", {}).values()):
                if "example" not in media and "examples" not in media:
                    media["example"] = compose(media["schema"], document["components"])
