"""Compare the operations of two OpenAPI documents, for .ci/contract.py."""

from collections.abc import Iterator
from typing import Any

from contract_schemas import Schema, Schemas, resolved

METHODS = ("get", "put", "post", "patch", "delete", "head", "options", "trace")
ON_CONDITION = {"206", "304"}  # a client gets them only if its request has a header that requests them
SCHEME = ("type", "scheme", "in", "name", "flows", "openIdConnectUrl")


class Operations(Schemas):
    """The documents `old` and `new`. The methods yield a text for each change that breaks a client."""

    def changes(self) -> Iterator[str]:
        yield from self.security_schemes()
        for path, item in self.old["paths"].items():
            other = self.new["paths"].get(path, {})
            for method in filter(item.__contains__, METHODS):
                name = f"{method.upper()} {path}"
                if method not in other:
                    yield f"{name}: removed"
                    continue
                for text in self.operation(with_shared(item, method), with_shared(other, method)):
                    yield f"{name}: {text}"

    def operation(self, old: Schema, new: Schema) -> Iterator[str]:
        yield from self.security(old, new)
        yield from self.parameters(old, new)
        yield from self.request(old.get("requestBody"), new.get("requestBody"))
        for status in old["responses"]:
            if status.startswith("2"):
                yield from self.response(status, old["responses"][status], new["responses"].get(status))
        for status in new["responses"]:
            if status[0] in "23" and status not in {*old["responses"], *ON_CONDITION}:
                yield f"may respond {status}"

    def security_schemes(self) -> Iterator[str]:
        before, after = (
            document.get("components", {}).get("securitySchemes", {}) for document in (self.old, self.new)
        )
        for name in filter(after.__contains__, before):
            for key in SCHEME:
                if before[name].get(key) != after[name].get(key):
                    yield f"security scheme {name} has {key} {after[name].get(key)}"

    def security(self, old: Schema, new: Schema) -> Iterator[str]:
        """Require of each old alternative that a caller who has it also has a new one."""
        before, after = (
            operation.get("security", document.get("security", []))
            for operation, document in ((old, self.old), (new, self.new))
        )
        for one in before or [{}]:
            if not any(is_within(other, one) for other in after or [{}]):
                yield f"refuses a caller with {' and '.join(one) or 'no credentials'}"

    def response(self, status: str, old: Schema, new: Schema | None) -> Iterator[str]:
        if new is None:
            yield f"{status} removed"
            return
        before, after = resolved(self.old, old), resolved(self.new, new)
        contents = after.get("content", {})
        for kind, content in before.get("content", {}).items():
            if kind in contents:
                yield from self.schema(schema_of(content), schema_of(contents[kind]), status, sent=False)
            else:
                yield f"{status} is no longer {kind}"
        yield from self.headers(status, before.get("headers", {}), after.get("headers", {}))

    def headers(self, status: str, old: Schema, new: Schema) -> Iterator[str]:
        names = {name.lower(): name for name in new}
        for name, header in old.items():
            if name.lower() not in names:
                yield f"{status} has no header {name}"
                continue
            before, after = resolved(self.old, header), resolved(self.new, new[names[name.lower()]])
            if before.get("required") and not after.get("required"):
                yield f"{status} may have no header {name}"
            yield from self.schema(schema_of(before), schema_of(after), f"{status} header {name}", sent=False)

    def parameters(self, old: Schema, new: Schema) -> Iterator[str]:
        before, after = (named(document, each) for document, each in ((self.old, old), (self.new, new)))
        for (place, name), parameter in before.items():
            if (place, name) not in after:
                yield f"{place} parameter {name} removed"
                continue
            other = after[place, name]
            if other.get("required") and not parameter.get("required"):
                yield f"{place} parameter {name} is required"
            if form_of(parameter) != form_of(other):
                yield f"{place} parameter {name} is written in another form"
            yield from self.schema(schema_of(parameter), schema_of(other), f"parameter {name}", sent=True)
        for (place, name), parameter in after.items():
            if (place, name) not in before and parameter.get("required"):
                yield f"{place} parameter {name} is required"

    def request(self, old: Schema | None, new: Schema | None) -> Iterator[str]:
        before, after = resolved(self.old, old or {}), resolved(self.new, new or {})
        if after.get("required") and not before.get("required"):
            yield "the body is required"
        for kind, content in before.get("content", {}).items():
            other = after.get("content", {}).get(kind)
            if other is None:
                yield f"a body of {kind} is refused"
            else:
                yield from self.schema(schema_of(content), schema_of(other), "body", sent=True)


def with_shared(item: Schema, method: str) -> Schema:
    """Return the operation with the parameters that its path has for all methods."""
    operation: Schema = item[method]
    return operation | {"parameters": [*item.get("parameters", ()), *operation.get("parameters", ())]}


def is_within(requirement: Schema, given: Schema) -> bool:
    """Return whether the given credentials, {scheme: scopes}, are all that a requirement names."""
    return all(name in given and set(scopes) <= set(given[name]) for name, scopes in requirement.items())


def schema_of(holder: Schema) -> Schema:
    """Return the schema of a content, a parameter or a header; the schema of every value where it has none."""
    contents: list[Schema] = [holder, *holder.get("content", {}).values()]
    return next((each["schema"] for each in contents if "schema" in each), {})


def form_of(parameter: Schema) -> tuple[Any, Any, list[str]]:
    default = "form" if parameter["in"] in {"query", "cookie"} else "simple"
    style = parameter.get("style", default)
    return style, parameter.get("explode", style == "form"), sorted(parameter.get("content", ()))


def named(document: Schema, operation: Schema) -> dict[tuple[str, str], Schema]:
    given = (resolved(document, each) for each in operation.get("parameters", ()))
    return {(each["in"], each["name"]): each for each in given}
