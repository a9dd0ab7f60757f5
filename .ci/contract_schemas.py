"""Compare two schemas of OpenAPI 3.1 documents, for .ci/contract.py.

A schema of a request must accept every value that the old one accepts. A value of a response must be one that the old
schema describes; its bounds and patterns are not compared.
"""

import json
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
TYPES = {
    str: "string",
    float: "number",
    int: "integer",
    bool: "boolean",
    type(None): "null",
    list: "array",
    dict: "object",
}
ALL_TYPES = frozenset(TYPES.values())
# {keyword: whether a request breaks where it becomes larger}
BOUNDS = {
    "minLength": True,
    "maxLength": False,
    "minimum": True,
    "maximum": False,
    "exclusiveMinimum": True,
    "exclusiveMaximum": False,
    "minItems": True,
    "maxItems": False,
    "minProperties": True,
    "maxProperties": False,
}
RULES = ("pattern", "multipleOf", "uniqueItems")  # a request breaks where one is added or changed
NUMBERS = frozenset({"int32", "int64", "float", "double"})  # formats that add nothing to bounds


class Schemas:
    """The documents `old` and `new`. The methods yield a text for each change that breaks a client."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self.old, self.new = old, new
        self.in_progress: set[tuple[str, str]] = set()  # schemas may refer to themselves

    def schema(self, old: Schema, new: Schema, at: str, *, sent: bool) -> Iterator[str]:
        """Compare a schema of a request (`sent`), or else of a response. `at` is the place, such as `body.tags[]`."""
        old, new = flat(self.old, old), flat(self.new, new)
        key = (json.dumps(old, sort_keys=True), json.dumps(new, sort_keys=True))
        if key in self.in_progress:
            return
        self.in_progress.add(key)
        yield from self.types_and_more(old, new, at, sent=sent)
        self.in_progress.remove(key)

    def types_and_more(self, old: Schema, new: Schema, at: str, *, sent: bool) -> Iterator[str]:
        before, after = types_of(self.old, old), types_of(self.new, new)
        given, taken = (before, after) if sent else (after, before)
        lost = given - taken - ({"integer"} if "number" in taken else set())
        if lost and given == ALL_TYPES:
            yield f"{at} must be {' or '.join(sorted(taken))}" if sent else f"{at} may be any value"
        elif lost:
            yield f"{at} {'may no longer be' if sent else 'may be'} {' or '.join(sorted(lost))}"
        if lost == given or (lost and given == ALL_TYPES and not sent):  # nothing is left to compare
            return
        if alternatives_of(old) or alternatives_of(new):
            yield from self.alternatives(old, new, at, sent=sent, named=lost)
            return
        yield from self.values(old, new, at, sent=sent)
        if sent:
            yield from bounds(old, new, at)
        yield from self.properties(old, new, at, sent=sent)
        yield from self.further_properties(old, new, at, sent=sent)
        if "items" in old or "items" in new:
            yield from self.schema(old.get("items", {}), new.get("items", {}), f"{at}[]", sent=sent)

    def alternatives(
        self, old: Schema, new: Schema, at: str, *, sent: bool, named: frozenset[str]
    ) -> Iterator[str]:
        """Compare each alternative of the one side with the nearest of the other. Types in `named` are reported."""
        before, after = variants_of(self.old, old), variants_of(self.new, new)
        given, taken = (before, after) if sent else (after, before)
        document = self.old if sent else self.new
        for number, one in enumerate(given):
            if types_of(document, one) <= named:
                continue
            place = f"{at}({number})" if len(given) > 1 else at
            pairs = [(one, other) if sent else (other, one) for other in taken]
            changes = [[*self.schema(first, second, place, sent=sent)] for first, second in pairs]
            same_place = changes[number : number + 1]  # named where all differ as much
            yield from min([*same_place, *changes], key=len)

    def values(self, old: Schema, new: Schema, at: str, *, sent: bool) -> Iterator[str]:
        """Compare enumerations and formats."""
        given, taken = (old, new) if sent else (new, old)
        known, values = values_of(taken), values_of(given)
        if known and not values:
            yield f"{at} {'must be one of ' + ', '.join(known) if sent else 'may be any value'}"
        elif known and (more := sorted(set(values) - set(known))):
            yield f"{at} {'may no longer be' if sent else 'may be'} {', '.join(more)}"
        expected = taken.get("format")
        if expected not in {None, given.get("format"), *NUMBERS}:
            yield f"{at} {'has' if sent else 'no longer has'} format {expected}"

    def properties(self, old: Schema, new: Schema, at: str, *, sent: bool) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name in before:
            if name not in after:
                yield f"{at}.{name} removed"
            else:
                yield from self.schema(before[name], after[name], f"{at}.{name}", sent=sent)
        required, optional = (new, old) if sent else (old, new)
        for name in sorted(set(required.get("required", ())) - set(optional.get("required", ()))):
            if sent or name in after:
                yield f"{at}.{name} is {'required' if sent else 'no longer always there'}"

    def further_properties(self, old: Schema, new: Schema, at: str, *, sent: bool) -> Iterator[str]:
        """Compare `additionalProperties`, whose absence allows every value."""
        before, after = (side.get("additionalProperties", True) for side in (old, new))
        given, taken = (before, after) if sent else (after, before)
        if given is not False and taken is False:
            yield f"{at} {'may no longer' if sent else 'may'} have further fields"
        elif given is not False and taken is not True:
            yield from self.schema(as_schema(before), as_schema(after), f"{at}.*", sent=sent)
        if sent or before is True:
            return
        for name in new.get("properties", {}).keys() - old.get("properties", {}).keys():
            if before is False:
                yield f"{at}.{name} added, where no further field may be"
            else:
                yield from self.schema(before, new["properties"][name], f"{at}.{name}", sent=False)


def bounds(old: Schema, new: Schema, at: str) -> Iterator[str]:
    for keyword, breaks_if_larger in BOUNDS.items():
        before, after = old.get(keyword), new.get(keyword)
        if after is None or after == before:
            continue
        if before is None or (after > before) == breaks_if_larger:
            yield f"{at} has {keyword} {after}"
    for keyword in RULES:
        if new.get(keyword) not in (None, False, old.get(keyword)):
            yield f"{at} has {keyword} {new[keyword]}"


def resolved(document: Schema, item: Schema) -> Schema:
    while "$ref" in item:
        target: Any = document
        for part in item["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        item = target
    return item


def flat(document: Schema, schema: Schema) -> Schema:
    """Return the schema without references, and with the parts of an `allOf` joined."""
    schema = resolved(document, schema)
    joined: Schema = {name: value for name, value in schema.items() if name != "allOf"}
    for part in schema.get("allOf", ()):
        more = flat(document, part)
        properties = {**more.get("properties", {}), **joined.get("properties", {})}
        required = [*more.get("required", ()), *joined.get("required", ())]
        joined = {**more, **joined, "properties": properties, "required": required}
    return joined


def types_of(document: Schema, schema: Schema) -> frozenset[str]:
    """Return the JSON types of a schema, those of its alternatives included; all where it names none."""
    schema = flat(document, schema)
    kinds = schema.get("type", [])
    types = {kinds} if isinstance(kinds, str) else {*kinds}
    parts = [types_of(document, part) for part in alternatives_of(schema)]
    if not types:
        types = {kind for part in parts for kind in part} or {
            TYPES[type(value)] for value in constants_of(schema)
        }
    return frozenset(types) or ALL_TYPES


def alternatives_of(schema: Schema) -> list[Schema]:
    return [*schema.get("anyOf", ()), *schema.get("oneOf", ())]


def variants_of(document: Schema, schema: Schema) -> list[Schema]:
    """Return the alternatives of a schema, each with what is next to them, or else the schema by each of its types."""
    parts = alternatives_of(schema)
    common = {name: value for name, value in schema.items() if name not in {"anyOf", "oneOf"}}
    if parts:
        return [flat(document, {"allOf": [part, common]}) for part in parts]
    constants = {"enum": constants_of(schema)} if constants_of(schema) else {}
    return [
        {**schema, "type": kind}
        | {
            name: [value for value in values if TYPES[type(value)] == kind]
            for name, values in constants.items()
        }
        for kind in sorted(types_of(document, schema))
    ]


def constants_of(schema: Schema) -> list[Any]:
    constants: list[Any] = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return constants


def values_of(schema: Schema) -> list[str]:
    return [str(value) for value in constants_of(schema)]


def as_schema(value: bool | Schema) -> Schema:
    return value if isinstance(value, dict) else {}
