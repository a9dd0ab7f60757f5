"""The health endpoints in the OpenAPI document. Their responses are plain JSON without the envelope."""

from typing import Any

from core.web.error_schemas import Schema, object_of, plain_response
from core.web.health import CHECKS

COMPONENTS: dict[str, Schema] = {
    "HealthCheck": object_of(
        {
            "status": {"type": "string", "enum": ["ok", "failed", "pending", "read-only"]},
            "latencyMs": {"type": "number", "minimum": 0},
        }
    ),
    "Readiness": object_of(
        {
            "status": {"type": "string", "enum": ["ok", "degraded", "unavailable", "stopping"]},
            "checks": object_of({name: {"$ref": "#/components/schemas/HealthCheck"} for name in CHECKS}),
        }
    ),
    "Liveness": object_of({"status": {"type": "string", "const": "ok"}, "version": {"type": "string"}}),
}


def media_of(name: str, **example: Any) -> Schema:
    return {"schema": {"$ref": f"#/components/schemas/{name}"}, "example": example}


def checks_of(database: str) -> Schema:
    return {name: {"status": database if name == "database" else "ok", "latencyMs": 0.4} for name in CHECKS}


def describe_health(result: Schema, **_context: Any) -> Schema:
    """Add the health endpoints to the document, as a hook of drf-spectacular."""
    liveness = media_of("Liveness", status="ok", version=result["info"]["version"])
    live = {
        "summary": "Whether the process responds; checks nothing else",
        "tags": ["health"],
        "responses": {"200": plain_response("The process responds.", liveness)},
    }
    ready = {
        "operationId": "getReadiness",
        "summary": "Whether requests can be served",
        "description": "`degraded` still serves: limits count locally and jobs wait in the outbox.",
        "tags": ["health"],
        "responses": {
            "200": plain_response(
                "Requests are served.", media_of("Readiness", status="ok", checks=checks_of("ok"))
            ),
            "503": plain_response(
                "The database is unreachable, takes no writes or has pending migrations, or the server is about to"
                " stop.",
                media_of("Readiness", status="unavailable", checks=checks_of("failed")),
                **{"Retry-After": {"$ref": "#/components/headers/RetryAfter"}},
            ),
        },
    }
    result["components"]["schemas"] |= COMPONENTS
    result["paths"] |= {
        "/health": {"get": {"operationId": "getHealth", **live}},
        "/health/live": {"get": {"operationId": "getLiveness", **live}},
        "/health/ready": {"get": ready},
    }
    return result
