"""`/errors/{code}`: the meaning of an error code and the step that a client takes, for a person who meets one."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from core.web.errors import CATALOGUE

# code: (when it is sent, what the client does). docs/api.md has the same as a table.
EXPLANATIONS = {
    "VALIDATION_ERROR": ("a field or a parameter is wrong", "show `details`"),
    "MALFORMED_REQUEST": (
        "the body is not a JSON object, a header is too long, or the `Host` is not one of this server's",
        "correct the client",
    ),
    "UNAUTHORIZED": ("no token, or one that is malformed, forged or of the wrong kind", "log in"),
    "TOKEN_EXPIRED": ("a genuine token past its time", "refresh; after a refresh token, log in"),
    "TOKEN_REVOKED": ("a genuine token whose session has ended", "log in"),
    "INVALID_CREDENTIALS": ("wrong email or password, without a difference", "let the user try again"),
    "MFA_REQUIRED": (
        "a log-in with the right password to an account with a second factor, without a `code`",
        "prompt for a code of a method in `details`, send all again with `code`",
    ),
    "MFA_INVALID": ("a code that is wrong, or that was used before", "let the user try the next code"),
    "FORBIDDEN": (
        "your role, or the scopes of the API key, may not do this, or HTTPS is required",
        "use an account or a key that may, or HTTPS",
    ),
    "CSRF_FAILED": (
        "a request with cookies without its CSRF token, or from a foreign site",
        "send `X-CSRFToken`",
    ),
    "ACCOUNT_SUSPENDED": (
        "a log-in with the right password to a suspended account",
        "show that only the operator can help",
    ),
    "EMAIL_UNVERIFIED": (
        "the address is not verified, and the server requires it; or the provider has not verified it",
        "show how to verify it: `POST /auth/resend-verification`",
    ),
    "MFA_ENROLLMENT_REQUIRED": (
        "the server requires a second factor of your role, and the account has none",
        "show how to add one: `POST /auth/mfa/totp`",
    ),
    "STEP_UP_REQUIRED": (
        "something sensitive without `currentPassword`, and the session is not stepped up",
        "send the password with the request, or before it to `POST /auth/step-up`",
    ),
    "REGISTRATION_CLOSED": (
        "creating an account where `REGISTRATION` of the server does not allow it to this caller",
        "let an admin create it",
    ),
    "NOT_FOUND": ("no such path or object, or not yours", "check the path and the id"),
    "METHOD_NOT_ALLOWED": ("the path has no such method", "see `Allow`"),
    "NOT_ACCEPTABLE": ("`Accept` does not allow `application/json`", "send `Accept: application/json`"),
    "REQUEST_TIMEOUT": (
        "the body did not arrive: 10 seconds, and more while at least 16 KiB come in each",
        "send it again",
    ),
    "EMAIL_EXISTS": ("the address is taken", "log in, or use another address"),
    "CONFLICT": (
        "a unique value is taken, a tag is in use, the last admin would go",
        "change the value, or what depends on the object",
    ),
    "IDEMPOTENCY_IN_PROGRESS": (
        "the first request with this key is still running",
        "wait `Retry-After`, send again",
    ),
    "GONE": (
        "a cursor of a change feed is older than the window of the trash, or from before a restore",
        "begin again with an empty cursor",
    ),
    "PRECONDITION_FAILED": (
        "the object has changed since the version in `If-Match`",
        "read again, merge, send again",
    ),
    "PAYLOAD_TOO_LARGE": (
        "more than 1 MiB of JSON, or of a file than the server takes (10 MiB by default)",
        "send less",
    ),
    "UNSUPPORTED_MEDIA_TYPE": (
        "not `application/json` in UTF-8; a file of a type that is not taken",
        "send JSON, or another type of file",
    ),
    "RANGE_NOT_SATISFIABLE": ("the file has no such range", "look at `Content-Range`"),
    "IDEMPOTENCY_KEY_REUSED": ("the key was used with another request", "use a new key"),
    "ACCOUNT_LOCKED": ("too many failed log-ins", "wait `Retry-After`, or reset the password"),
    "RATE_LIMITED": ("too many requests", "wait `Retry-After`"),
    "INTERNAL_ERROR": ("a defect of ours", "report the request id"),
    "SERVICE_UNAVAILABLE": ("briefly unavailable, or down for maintenance", "wait `Retry-After`, send again"),
    "INSUFFICIENT_STORAGE": ("the server has no room for the file", "report it to the operator"),
}


def page_of_code(request: HttpRequest, code: str) -> HttpResponse:
    if code not in CATALOGUE:
        raise Http404
    status, message = CATALOGUE[code]
    when, cure = map(parts, EXPLANATIONS[code])
    context = {"code": code, "status": status, "message": message, "when": when, "cure": cure}
    return render(request, "error_code.html", context)


def parts(text: str) -> list[tuple[str, bool]]:
    """Return the pieces of a text, each with whether it is code."""
    return [(piece, bool(number % 2)) for number, piece in enumerate(text.split("`")) if piece]
