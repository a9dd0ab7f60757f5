"""The OpenAPI document: what drf-spectacular reads from the views, and around it envelope, errors, headers.

A view adds to it by `documented_errors`, and by `extend_schema` where its serializer does not say it all.
"""

import copy
import hashlib
import threading
from functools import cache
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import etag
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.plumbing import ResolvedComponent, get_doc

from core.api.etags import PARAMETERS
from core.api.filters import SCOPE_PARAMETER, names_parameter
from core.api.idempotency import HEADER, PARAMETER
from core.api.pagination import CURSOR_META, PAGE_META
from core.api.serializers import names_of
from core.openapi.examples import add_examples
from core.openapi.fields import FieldSchema
from core.openapi.files import add_files
from core.web.error_schemas import (
    ALWAYS,
    IDEMPOTENT,
    LIMIT_HEADERS,
    WITH_BODY,
    WITH_TOKEN,
    error_responses,
    header_refs,
    list_etag,
    register,
)
from core.web.health_schema import add_health

Schema = dict[str, Any]

JSON = "application/json"
VERBS = {
    "list": "list",
    "create": "create",
    "retrieve": "get",
    "update": "replace",
    "partial_update": "update",
    "destroy": "delete",
    "import_rows": "import",
}
SUMMARIES = {
    "list": "List {many}",
    "create": "Create {one}",
    "retrieve": "Get {one}",
    "update": "Replace {one}",
    "partial_update": "Change parts of {one}",
    "destroy": "Delete {one}",
}
DONE = {"200": "Done.", "201": "Created.", "202": "Accepted, and done in the background.", "204": "Done."}
# Whose body is the view's serializer, unless the view says otherwise.
WRITES = frozenset({"create", "update", "partial_update"})
VERSIONED_ACTIONS = frozenset({"create", "retrieve", "update", "partial_update", "restore"})
CONDITIONAL_WRITES = frozenset({"update", "partial_update", "destroy", "restore"})


class EnvelopeSchema(FieldSchema):
    """One operation. `self.method` is its HTTP method."""

    view: Any  # an ApiView, most often a BaseViewSet

    # --- names --------------------------------------------------------------------------------

    @property
    def action(self) -> str:
        return str(getattr(self.view, "action", None) or self.method.lower())

    def get_operation_id(self) -> str:
        """`listResources`, `getMe`, `restoreResource`; for a plain view its class: `login` of LoginView."""
        if self.model is None:
            name = type(self.view).__name__.removesuffix("View")
            return name[0].lower() + name[1:]
        one = getattr(self.view, "schema_name", None) or self.model.__name__
        if self.action == "list":
            return f"list{self.model._meta.verbose_name_plural.title().replace(' ', '')}"
        if self._is_list_view() or self.is_paged():
            return f"list{one}{self.action.title()}"
        return f"{VERBS.get(self.action, self.action)}{one}"

    def get_summary(self) -> str:
        doc = self.own_doc()
        if doc or self.action not in SUMMARIES:
            return doc.partition(".")[0]
        names = self.model._meta
        one = getattr(self.view, "schema_title", None) or f"a {names.verbose_name}"
        return SUMMARIES[self.action].format(one=one, many=names.verbose_name_plural)

    def own_doc(self) -> str:
        return get_doc(getattr(self.view, self.action, None))

    # --- requests -----------------------------------------------------------------------------

    def _is_list_view(self, serializer: Any = None) -> bool:
        return self.action in getattr(self.view, "list_actions", ())

    def is_paged(self) -> bool:
        """Whether it answers with a page of something else than the view's objects."""
        return self.action in getattr(self.view, "paged_actions", ())

    def _get_paginator(self) -> None:
        """A page is a plain array to drf-spectacular: `meta` stands beside it, in the envelope."""

    def _get_pagination_parameters(self) -> list[Schema]:
        if not (self._is_list_view() or self.is_paged()):
            return []
        describe = getattr(self.view.paginator, "get_schema_operation_parameters", None)
        return list(describe(self.view)) if describe is not None else []

    def _get_parameters(self) -> list[Schema]:
        parameters: list[Schema] = super()._get_parameters()
        kind = ResolvedComponent.PARAMETER
        if self._is_list_view() or self.is_single_read():
            text = "Names with commas, or the parameter repeated: each object holds only these, and `id`."
            serializer_class: Any = self.view.get_serializer_class()
            parameters.append(names_parameter("fields", text, list(names_of(serializer_class))))
        if self.action == "list" and "scope" in self.view.known_parameters()[0]:
            parameters.append(SCOPE_PARAMETER)
        if self.is_read_conditionally() or (self.is_versioned() and self.action in CONDITIONAL_WRITES):
            name = "If-None-Match" if self.is_read_conditionally() else "If-Match"
            parameters.append(register(self.registry, kind, name.replace("-", ""), PARAMETERS[name]))
        if self.is_idempotent():
            parameters.append(register(self.registry, kind, HEADER.replace("-", ""), PARAMETER))
        return parameters

    def is_single_read(self) -> bool:
        """Whether it answers with one object, whole or narrowed by `fields`."""
        return self.action == "retrieve" and "fields" in self.view.known_parameters()[0]

    def is_idempotent(self) -> bool:
        """Whether a repetition under the same Idempotency-Key has its effect once."""
        return getattr(getattr(self.view, self.action, None), "is_idempotent", False)

    def is_versioned(self) -> bool:
        """Whether the view's objects have ETags."""
        return hasattr(self.model, "etag")

    def is_read_conditionally(self) -> bool:
        """Whether it has an ETag to ask again with."""
        one = self.action == "retrieve" and self.is_versioned()
        return one or self.action in getattr(self.view, "watched_lists", ())

    def declared(self, name: str, otherwise: Any) -> Any:
        """What the view, or else the nearest class that it inherits from, says in `name` of this action."""
        given = (vars(parent).get(name, {}) for parent in type(self.view).__mro__)
        return next((said[self.action] for said in given if self.action in said), otherwise)

    def described_body(self, direction: int) -> Schema | None:
        """What no serializer says: `described_bodies` of the view holds {action: (of request, of answer)}, each a
        function of this object, or None."""
        describe = self.declared("described_bodies", (None, None))[direction]
        return describe and {JSON: describe(self)}

    def get_request_serializer(self) -> Any:
        described = self.described_body(0)
        if described:
            return described
        declared = getattr(self.view, "input_serializers", {}).get(self.action)
        return declared or (super().get_request_serializer() if self.action in WRITES else None)

    def _get_request_body(self, direction: Any = "request") -> Schema | None:
        if self.method != "DELETE" or self.get_request_serializer() is None:
            return super()._get_request_body(direction)
        # drf-spectacular knows no DELETE with a body; OpenAPI 3.1 allows it, and deleting an account has one.
        self.method = "POST"
        try:
            return super()._get_request_body(direction)
        finally:
            self.method = "DELETE"

    # --- answers ------------------------------------------------------------------------------

    def get_response_serializers(self) -> Any:
        described = self.described_body(1)
        return {"200": described[JSON]} if described else super().get_response_serializers()

    def _get_response_bodies(self, direction: Any = "response") -> Schema:
        responses: Schema = super()._get_response_bodies(direction)
        for status, response in responses.items():
            response["headers"] = header_refs(self.registry, self.success_headers(status))
            if self.action in getattr(self.view, "watched_lists", ()):
                response["headers"] |= list_etag(self.registry)
        if self.is_read_conditionally():
            headers = header_refs(self.registry, ("X-Request-ID", *LIMIT_HEADERS, "ETag"))
            unchanged = {"description": "You hold this version already.", "headers": headers}
            responses["304"] = register(self.registry, ResolvedComponent.RESPONSE, "NotModified", unchanged)
        detailed = self.declared("detailed_errors", frozenset())
        return responses | error_responses(self.registry, self.error_codes(), detailed)

    def success_headers(self, status: str) -> tuple[str, ...]:
        headers: tuple[str, ...] = ("X-Request-ID", *LIMIT_HEADERS)
        if self.is_versioned() and self.action in VERSIONED_ACTIONS:
            headers += ("ETag",)
        if self.is_idempotent():
            headers += ("Idempotency-Replayed",)
        # 202: of the job. What is accepted without one, such as a mail, has no Idempotency-Key either.
        located = (self.action == "create" and status == "201") or (status == "202" and self.is_idempotent())
        return (*headers, "Location") if located else headers

    def error_codes(self) -> set[str]:
        codes = {*ALWAYS, *self.declared("documented_errors", ())}
        if any(self.get_auth()):
            codes |= WITH_TOKEN | (set() if self.method == "GET" else {"CSRF_FAILED"})
        if self.view.may_forbid():
            codes.add("FORBIDDEN")
        if self._get_request_body():
            codes |= WITH_BODY
        if self.is_idempotent():
            codes |= IDEMPOTENT
        if "{" in self.path:
            codes.add("NOT_FOUND")
        if self.is_versioned() and self.action in CONDITIONAL_WRITES:
            codes.add("PRECONDITION_FAILED")
        return codes

    def _get_response_for_code(
        self, serializer: Any, status_code: str, media_types: Any = None, direction: Any = "response"
    ) -> Schema:
        response: Schema = super()._get_response_for_code(serializer, status_code, media_types, direction)
        response["description"] = DONE.get(status_code, "Done.")
        if status_code != "204":
            data = response["content"][JSON]["schema"] if "content" in response else {"type": "null"}
            response["content"] = {JSON: {"schema": self.envelope(data)}}
        return response

    def envelope(self, data: Schema) -> Schema:
        properties: Schema = {"success": {"type": "boolean", "const": True}, "data": data}
        schema = {"type": "object", "required": ["success", "data"], "properties": properties}
        if data == {"type": "null"}:
            return register(self.registry, ResolvedComponent.SCHEMA, "EmptyEnvelope", schema)
        reference = data.get("items", data).get("$ref")
        if reference is None:
            return schema
        name = reference.rsplit("/", 1)[1]
        if "items" not in data:
            if self.is_single_read():
                properties["data"] = {"anyOf": [data, self.part(name, "Part")]}
                return register(self.registry, ResolvedComponent.SCHEMA, f"{name}ReadEnvelope", schema)
            return register(self.registry, ResolvedComponent.SCHEMA, f"{name}Envelope", schema)
        if self._is_list_view():
            properties["data"] = {"type": "array", "items": self.part(name, "InList")}
        properties["meta"] = {
            "oneOf": [
                register(self.registry, ResolvedComponent.SCHEMA, "PageMeta", PAGE_META),
                register(self.registry, ResolvedComponent.SCHEMA, "CursorMeta", CURSOR_META),
            ]
        }
        schema["required"] = ["success", "data", "meta"]
        return register(self.registry, ResolvedComponent.SCHEMA, f"{name}ListEnvelope", schema)

    def part(self, name: str, suffix: str) -> Schema:
        """Return the object as `fields` narrows it: any part of it may be missing but the id."""
        schema = copy.deepcopy(self.registry[name, ResolvedComponent.SCHEMA].schema)
        schema |= {"required": ["id"], "description": "Whole, or with `fields` only these and `id`."}
        return register(self.registry, ResolvedComponent.SCHEMA, f"{name}{suffix}", schema)


def describe_envelope(result: Schema, generator: Any, request: Any, public: bool) -> Schema:
    """The last hook: what belongs to no single operation."""
    result["servers"] = [{"url": settings.API_URL or "/"}]  # "/": wherever the document was served
    add_health(result)
    add_files(result)
    add_examples(result)
    for operation in [each for path in result["paths"].values() for each in path.values()]:
        operation.setdefault("security", [])  # public; left out, it may as well be forgotten
    result["components"] = {kind: dict(sorted(each.items())) for kind, each in result["components"].items()}
    return result


# drf-spectacular looks for its extensions on the way, and two threads that do so at once get in each other's way.
generating = threading.Lock()


@cache
def document() -> bytes:
    """Generated once per process: it depends on nothing but the code and the settings."""
    with generating:
        return orjson.dumps(SchemaGenerator().get_schema(request=None, public=True))


@cache
def document_etag() -> str:
    return f'"{hashlib.sha256(document()).hexdigest()[:32]}"'


@etag(lambda _request: document_etag())
def schema_view(_request: HttpRequest) -> HttpResponse:
    """Public: it says nothing that the published source does not."""
    return HttpResponse(document(), content_type=JSON, headers={"Cache-Control": "no-cache"})
