"""Health in the OpenAPI document. It answers plain JSON, outside the API and its envelope."""

from typing import Any

from core.web.health import CHECKS

Schema = dict[str, Any]

CHECK: Schema = {
    "type": "object",
    "required": ["status", "latencyMs"],
    "properties": {
        "status": {"type": "string", "enum": ["ok", "failed", "pending"]},
        "latencyMs": {"type": "number", "minimum": 0},
    },
}
READINESS: Schema = {
    "type": "object",
    "required": ["status", "checks"],
    "properties": {
        "status": {"type": "string", "enum": ["ok", "degraded", "unavailable"]},
        "checks": {
            "type": "object",
            "required": list(CHECKS),
            "properties": {name: {"$ref": "#/components/schemas/HealthCheck"} for name in CHECKS},
        },
    },
}
LIVENESS: Schema = {
    "type": "object",
    "required": ["status", "version"],
    "properties": {"status": {"type": "string", "const": "ok"}, "version": {"type": "string"}},
}
COMPONENTS = {"HealthCheck": CHECK, "Readiness": READINESS, "Liveness": LIVENESS}
REQUEST_ID = {"X-Request-ID": {"$ref": "#/components/headers/XRequestID"}}


def answer(name: str, description: str, example: Schema, **headers: Schema) -> Schema:
    media = {"schema": {"$ref": f"#/components/schemas/{name}"}, "example": example}
    content = {"application/json": media}
    return {"description": description, "headers": {**REQUEST_ID, **headers}, "content": content}


def readiness(status: str, database: str) -> Schema:
    checks = {name: {"status": "ok", "latencyMs": 0.4} for name in CHECKS}
    checks["database"]["status"] = database
    return {"status": status, "checks": checks}


def live(operation_id: str, version: str) -> Schema:
    responses = {"200": answer("Liveness", "The process answers.", {"status": "ok", "version": version})}
    summary = "Whether the process answers; touches nothing else"
    return {"operationId": operation_id, "summary": summary, "tags": ["health"], "responses": responses}


def ready() -> Schema:
    retry = {"$ref": "#/components/headers/RetryAfter"}
    return {
        "operationId": "getReadiness",
        "summary": "Whether requests can be served",
        "description": "`degraded` still serves: limits count locally and jobs wait in the outbox.",
        "tags": ["health"],
        "responses": {
            "200": answer("Readiness", "Requests are served.", readiness("ok", "ok")),
            "503": answer(
                "Readiness",
                "The database is away or behind the code.",
                readiness("unavailable", "failed"),
                **{"Retry-After": retry},
            ),
        },
    }


def add_health(document: Schema) -> None:
    version = document["info"]["version"]
    document["components"]["schemas"].update(COMPONENTS)
    document["paths"] |= {
        "/health": {"get": live("getHealth", version)},
        "/health/live": {"get": live("getLiveness", version)},
        "/health/ready": {"get": ready()},
    }
