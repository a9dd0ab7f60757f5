"""The OpenAPI document: what drf-spectacular reads from the views, and around it envelope, errors, headers.

A view adds to it by `documented_errors`, and by `extend_schema` where its serializer does not describe everything.
"""

from typing import Any

from django.conf import settings
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent, get_doc

from core.api.etags import PARAMETERS
from core.api.filters import SCOPE_PARAMETER
from core.api.idempotency import HEADER, PARAMETER
from core.api.includes import object_parameters
from core.api.pagination import CURSOR_META, PAGE_META
from core.api.row_access import RowAccess, model_of
from core.api.serializers import PREFER, camel
from core.api.views import ApiView
from core.openapi.examples import add_examples
from core.openapi.fields import filter_parameters
from core.openapi.parts import part_of, suffix_of
from core.web.error_schemas import (
    ALWAYS,
    IDEMPOTENT,
    JSON,
    LIMIT_HEADERS,
    NOT_READY,
    WITH_BODY,
    WITH_TOKEN,
    Schema,
    error_responses,
    has_conflict,
    header_refs,
    may_conflict,
    object_of,
    register,
)

# {action: (the verb of the operation's id, its summary)}
ACTIONS = {
    "list": ("list", "List {many}"),
    "create": ("create", "Create {one}"),
    "retrieve": ("get", "Get {one}"),
    "update": ("replace", "Replace {one}"),
    "partial_update": ("update", "Change parts of {one}"),
    "destroy": ("delete", "Delete {one}"),
    "import_rows": ("import", ""),
}
DONE = {"202": "Accepted, and done in the background.", "201": "Created."}
# Whose body is the view's serializer, unless the view declares another.
WRITES = frozenset({"create", "update", "partial_update"})
VERSIONED_ACTIONS = frozenset({"create", "retrieve", "update", "partial_update", "restore"})
CONDITIONAL_WRITES = frozenset({"update", "partial_update", "destroy", "restore"})


class EnvelopeSchema(AutoSchema):
    """One operation. `self.method` is its HTTP method, `self.view` an ApiView, most often a BaseViewSet, or a view of
    plain REST framework (`is_plain`)."""

    view: Any

    def get_operation(self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any) -> Any:
        """Return the operation of drf-spectacular with envelope, headers, parameters and errors of this API."""
        self.view.pagination_class = None  # else a list is a page to drf-spectacular: ours has `meta`
        operation = super().get_operation(path, path_regex, path_prefix, method, registry)
        if operation is None:
            return None
        serializer = self.get_request_serializer()
        if self.method == "DELETE" and serializer is not None:
            # drf-spectacular knows no DELETE with a body; OpenAPI 3.1 allows it, and deleting an account has one.
            component = self.resolve_serializer(serializer, "request")
            required = {"required": True} if "required" in component.schema else {}
            operation["requestBody"] = {"content": {JSON: {"schema": component.ref}}, **required}
        parameters = [*operation.get("parameters", ()), *self.own_parameters()]
        if "requestBody" in operation:
            parameters.append(register(registry, ResolvedComponent.PARAMETER, "Prefer", PREFER))
        operation |= {"parameters": parameters} if parameters else {}
        responses = operation["responses"]
        for status, response in responses.items():
            self.wrap(status, response)
        if self.is_read_conditionally():
            headers = header_refs(registry, ("X-Request-ID", *LIMIT_HEADERS, "ETag"))
            unchanged = {"description": "You hold this version already.", "headers": headers}
            responses["304"] = register(registry, ResolvedComponent.RESPONSE, "NotModified", unchanged)
        if deprecation := self.declared("deprecations", None):
            text = (operation.get("description", ""), deprecation.description)
            operation |= {"deprecated": True, "description": "\n\n".join(filter(None, text))}
        codes = self.error_codes(has_body="requestBody" in operation)
        responses |= error_responses(registry, codes, self.declared("detailed_errors", ()))
        return operation

    # --- names --------------------------------------------------------------------------------

    @property
    def model(self) -> Any:
        """The model of a viewset, else None."""
        return model_of(type(self.view)) if isinstance(self.view, RowAccess) else None

    @property
    def is_plain(self) -> bool:
        return not isinstance(self.view, ApiView)

    @property
    def action(self) -> str:
        return str(getattr(self.view, "action", None) or self.method.lower())

    def get_operation_id(self) -> str:
        """Return `listResources`, `getMe`, `restoreResource`; for an ApiView its class: `login` of LoginView."""
        if self.is_plain:
            return str(super().get_operation_id())
        if self.model is None:
            name = type(self.view).__name__.removesuffix("View")
            return name[0].lower() + name[1:]
        # Of the class, since two viewsets may have one model.
        one = getattr(self.view, "schema_name", None) or type(self.view).__name__.removesuffix("ViewSet")
        if self.action == "list":
            plural = self.model._meta.verbose_name_plural.title().replace(" ", "")
            return f"list{plural if one == self.model.__name__ else one + 's'}"
        if self.is_list() or self.is_paged():
            return f"list{one}{self.action.title()}"
        return f"{ACTIONS.get(self.action, (camel(self.action),))[0]}{one}"

    def get_summary(self) -> str:
        doc = get_doc(getattr(self.view, self.action, None))
        if doc or self.is_plain or self.action not in ACTIONS:
            return doc.partition(".")[0]
        names = self.model._meta
        one = getattr(self.view, "schema_title", None) or f"a {names.verbose_name}"
        return ACTIONS[self.action][1].format(one=one, many=names.verbose_name_plural)

    # --- kinds of operations ------------------------------------------------------------------

    def is_list(self) -> bool:
        return self.action in getattr(self.view, "list_actions", ())

    def is_paged(self) -> bool:
        """Return whether its response is a page of something else than the view's objects."""
        return self.action in getattr(self.view, "paged_actions", ())

    def is_single_read(self) -> bool:
        """Return whether its response is one object, whole or narrowed by `fields`."""
        return self.action == "retrieve" and self.takes("fields")

    def takes(self, name: str) -> bool:
        return not self.is_plain and name in self.view.known_parameters()[0]

    def is_idempotent(self) -> bool:
        """Return whether a repetition under the same Idempotency-Key has its effect once."""
        return getattr(getattr(self.view, self.action, None), "is_idempotent", False)

    def is_versioned(self) -> bool:
        """Return whether the view's objects have ETags."""
        return hasattr(self.model, "etag")

    def is_watched_list(self) -> bool:
        return self.action in getattr(self.view, "watched_lists", ())

    def is_read_conditionally(self) -> bool:
        return (self.action == "retrieve" and self.is_versioned()) or self.is_watched_list()

    def is_written_conditionally(self) -> bool:
        return self.is_versioned() and self.action in CONDITIONAL_WRITES

    def declared(self, name: str, otherwise: Any) -> Any:
        """Return what the view, or else the nearest class that it inherits from, has in `name` for this action."""
        given = (vars(parent).get(name, {}) for parent in type(self.view).__mro__)
        return next((values[self.action] for values in given if self.action in values), otherwise)

    # --- requests -----------------------------------------------------------------------------

    def get_filter_backends(self) -> list[Any]:
        return []  # `own_parameters` adds theirs, also to lists that are no `list`

    def own_parameters(self) -> list[Schema]:
        view, parameters, kind = self.view, [], ResolvedComponent.PARAMETER
        if self.is_list():
            parameters += filter_parameters(self)
        if self.is_list() or self.is_paged():
            describe = getattr(type(view).pagination_class, "get_schema_operation_parameters", None)
            parameters += describe(type(view).pagination_class(), view) if describe else []
        if self.is_list() or self.is_single_read():
            parameters += object_parameters(view)
        parameters += self.declared("described_parameters", lambda _view: ())(view)
        parameters.sort(key=lambda parameter: parameter["name"])
        if self.action == "list" and self.takes("scope"):
            parameters.append(SCOPE_PARAMETER)
        if self.is_read_conditionally() or self.is_written_conditionally():
            name = "If-None-Match" if self.is_read_conditionally() else "If-Match"
            parameters.append(register(self.registry, kind, name.replace("-", ""), PARAMETERS[name]))
        if self.is_idempotent():
            parameters.append(register(self.registry, kind, HEADER.replace("-", ""), PARAMETER))
        return parameters

    def described_body(self, direction: int) -> Schema | None:
        """Return what no serializer describes: `described_bodies` of the view holds {action: (request, response)}, each
        a function of this object, or None."""
        describe = self.declared("described_bodies", (None, None))[direction]
        return describe and {JSON: describe(self)}

    def get_request_serializer(self) -> Any:
        declared = getattr(self.view, "input_serializers", {}).get(self.action)
        default = super().get_request_serializer() if self.action in WRITES else None
        return self.described_body(0) or declared or default

    # --- responses ----------------------------------------------------------------------------

    def get_response_serializers(self) -> Any:
        described = self.described_body(1)
        if described:
            return {"200": described[JSON]}
        if self.is_list():
            return self.view.get_serializer_class()(many=True)
        return super().get_response_serializers()

    def wrap(self, status: str, response: Schema) -> None:
        """Put a response into the envelope, and name its headers."""
        response["description"] = DONE.get(status, "Done.")
        names = ["X-Request-ID", *LIMIT_HEADERS]
        if self.is_versioned() and self.action in VERSIONED_ACTIONS:
            names.append("ETag")
        if self.is_idempotent():
            names.append("Idempotency-Replayed")
        # 202: of the job. An operation without a job, such as an email, has no Idempotency-Key either.
        if (self.action == "create" and status == "201") or (status == "202" and self.is_idempotent()):
            names.append("Location")
        response["headers"] = header_refs(self.registry, names)
        if self.is_watched_list():
            response["headers"]["ETag"] = header_refs(self.registry, ["ListETag"])["ListETag"]
        if status != "204":
            data = response["content"][JSON]["schema"] if "content" in response else {"type": "null"}
            response["content"] = {JSON: {"schema": self.envelope(data)}}

    def envelope(self, data: Schema) -> Schema:
        schema = object_of({"success": {"type": "boolean", "const": True}, "data": data})
        reference = data.get("items", data).get("$ref")
        if reference is None and data != {"type": "null"}:
            return schema
        name = reference.rsplit("/", 1)[1] if reference else "Empty"
        if "items" in data:
            if self.is_list():
                schema["properties"]["data"] = {"type": "array", "items": part_of(self, name, "InList")}
            metas = self.declared("described_meta", (("PageMeta", PAGE_META), ("CursorMeta", CURSOR_META)))
            kinds = [register(self.registry, ResolvedComponent.SCHEMA, *meta) for meta in metas]
            schema = object_of({**schema["properties"], "meta": {"oneOf": kinds} if kinds[1:] else kinds[0]})
            name += f"List{suffix_of(self)}"
        elif self.is_single_read():
            schema["properties"]["data"] = {"anyOf": [data, part_of(self, name, "Part")]}
            name += f"Read{suffix_of(self)}"
        return register(self.registry, ResolvedComponent.SCHEMA, f"{name}Envelope", schema)

    def is_open_to_keys(self) -> bool:
        return self.action in getattr(self.view, "open_to_keys", ())

    def error_codes(self, *, has_body: bool) -> set[str]:
        own = self.declared("documented_errors", ())
        codes = {*ALWAYS, *own}
        if any(self.get_auth()):
            codes |= WITH_TOKEN | (set() if self.method == "GET" else {"CSRF_FAILED"})
            codes |= {"FORBIDDEN"}  # of an API key without the scope
            is_for_all = getattr(self.view, "admits_unverified", False) and not self.is_open_to_keys()
            codes |= set() if is_for_all else NOT_READY
        conditions = (
            ({"FORBIDDEN"}, self.is_plain or self.view.may_forbid()),
            (WITH_BODY, has_body),
            (IDEMPOTENT, self.is_idempotent()),
            ({"NOT_FOUND"}, "{" in self.path),
            ({"PRECONDITION_FAILED"}, self.is_written_conditionally()),
            ({"CONFLICT"}, not has_conflict(own) and may_conflict(self.model, self.action)),
        )
        return codes.union(*(more for more, holds in conditions if holds))


def describe_envelope(result: Schema, **_context: Any) -> Schema:
    """Add what belongs to no single operation. The last hook of drf-spectacular."""
    result["servers"] = [{"url": settings.API_URL or "/"}]  # "/": wherever the document was served
    add_examples(result)
    for operation in [each for path in result["paths"].values() for each in path.values()]:
        operation.setdefault("security", [])  # public; without it a reader cannot know that it is meant
    result["components"] = {kind: dict(sorted(each.items())) for kind, each in result["components"].items()}
    return result
