"""The headers that scripts of an allowed origin may send and read."""

from corsheaders.defaults import default_headers

REQUEST_HEADERS = [
    *default_headers,
    *("x-request-id", "if-match", "if-none-match", "idempotency-key", "prefer", "range", "if-range"),
    *("traceparent", "tracestate", "baggage", "sentry-trace"),  # W3C Trace Context and Baggage, and Sentry
]
RESPONSE_HEADERS = [
    *("ETag", "Location", "Retry-After", "Allow", "WWW-Authenticate", "X-Request-ID", "Idempotency-Replayed"),
    *("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
    *("Accept-Ranges", "Content-Disposition", "Content-Range", "Preference-Applied"),
    *("Deprecation", "Sunset", "Link"),
]
