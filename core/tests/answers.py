"""Reading the envelope."""

SECRET = "password=hunter2 in /srv/app/secret.py at SELECT * FROM accounts_user"  # what no answer may repeat


def problems(answer):
    """{field: code} of a validation error."""
    assert answer.status_code == 400, answer.content
    error = answer.json()["error"]
    assert error["code"] == "VALIDATION_ERROR"
    return {detail["field"]: detail["code"] for detail in error["details"]}


def code(answer):
    """(status, error code), after a look at the whole envelope."""
    body = answer.json()
    assert body["success"] is False
    assert set(body["error"]) == {"code", "message", "details", "requestId"}
    assert body["error"]["message"]
    assert body["error"]["requestId"] == answer["X-Request-ID"]
    return answer.status_code, body["error"]["code"]


def names(answer, field="title"):
    """One field of every row of a list."""
    assert answer.status_code == 200, answer.content
    return [row[field] for row in answer.json()["data"]]
