"""Reading the envelope."""

SECRET = (
    "password=hunter2 in /srv/app/secret.py at SELECT * FROM accounts_user"  # what no response may repeat
)


def problems(response):
    """Return {field: code} of a validation error."""
    assert response.status_code == 400, response.content
    error = response.json()["error"]
    assert error["code"] == "VALIDATION_ERROR"
    return {detail["field"]: detail["code"] for detail in error["details"]}


def code(response):
    """Check the whole envelope of an error; return (status, error code)."""
    body = response.json()
    assert body["success"] is False
    assert set(body["error"]) == {"code", "message", "details", "requestId"}
    assert body["error"]["message"]
    assert body["error"]["requestId"] == response["X-Request-ID"]
    return response.status_code, body["error"]["code"]


def names(response, field="title"):
    """Return one field of every row of a list."""
    assert response.status_code == 200, response.content
    return [row[field] for row in response.json()["data"]]
