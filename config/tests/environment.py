"""A pytest plugin (see pytest.ini): the environment of the tests, set before the settings are read.

It names every variable that matters, so neither the shell nor a `.env` file can change what the tests see.
`make test-services` gives TEST_DATABASE_URL and TEST_REDIS_URL; without them everything is embedded.

Each worker of pytest-xdist has a database (pytest-django adds the worker's id to its name), a Redis database and a
media folder of its own.
"""

import atexit
import os
import shutil
import tempfile
from urllib.parse import urlsplit


def redis_url() -> str:
    """Return TEST_REDIS_URL, with the number of the worker added to the number of the database."""
    url = urlsplit(os.environ.get("TEST_REDIS_URL", ""))
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return url._replace(path=f"/{int(url.path.strip('/') or 0) + worker}").geturl() if url.scheme else ""


MEDIA_ROOT = tempfile.mkdtemp(prefix="media-")
atexit.register(shutil.rmtree, MEDIA_ROOT, ignore_errors=True)

os.environ.update(
    DEBUG="true",
    SECRET_KEY="tests-only-5b1f7c0e9a3d4826b7e1c2f8d6a09e43c7b5a1f0",
    ALLOWED_HOSTS="testserver,localhost,127.0.0.1",
    DATABASE_URL=os.environ.get("TEST_DATABASE_URL") or "sqlite:///var/suite.sqlite3",
    REDIS_URL=redis_url(),
    CELERY_BROKER_URL=redis_url(),
    PRODUCT_NAME="Blue Bikes",  # test_product_name.py looks for the name that this project came with
    EMAIL_HOST="",
    EMAIL_BACKEND="django.core.mail.backends.locmem.EmailBackend",
    DEFAULT_FROM_EMAIL="Product <noreply@example.com>",
    FRONTEND_URL="https://app.example.com",
    BCRYPT_ROUNDS="4",
    RESPONSE_CACHE_SECONDS="0",  # versions are replaced with a commit, which most tests never make
    THROTTLE_USER="100000/min",
    THROTTLE_ANON="100000/min",
    THROTTLE_AUTH="100000/min",
    MEDIA_ROOT=MEDIA_ROOT,
    OPENAI_API_KEY="tests-only",
    OPENAI_BASE_URL="http://127.0.0.1:9",  # the discard port: nothing listens
    OPENAI_MODEL="tests-only",
    THROTTLE_SUMMARY="100000/min",
    LOG_LEVEL="ERROR",
    LOG_FORMAT="json",
)
for name in (
    "SECRET_KEY_FALLBACKS",
    "JWT_SIGNING_KEY",
    "JWT_VERIFYING_KEYS",
    "TRUSTED_PROXIES",
    "SECURE_SSL_REDIRECT",
    "METRICS_TOKEN",
    *("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
    *(f"SENTRY_{part}" for part in ("DSN", "ENVIRONMENT", "RELEASE")),
    "ACCESS_TOKEN_MINUTES",
    "REFRESH_TOKEN_DAYS",
    "SESSION_MAX_DAYS",
    "CORS_ALLOWED_ORIGINS",
    "CORS_ALLOW_HEADERS",
    "CSRF_TRUSTED_ORIGINS",
    "WEB_CONCURRENCY",
    "JOB_LEASE_SECONDS",
    *("DATABASE_PREPARED_STATEMENTS", "DATABASE_REPLICA_URL", "DATABASE_REPLICA_MAX_LAG_SECONDS"),
    "API_URL",
    *(f"EMAIL_{part}" for part in ("PORT", "HOST_USER", "HOST_PASSWORD", "USE_TLS", "USE_SSL")),
    *("UPLOAD_QUOTA_MB", "CLAMAV_SOCKET"),
    *("COMMON_PASSWORDS_PATH", "BREACHED_PASSWORDS_URL"),
    *(f"BACKUP_{part}" for part in ("FOLDER", "AT", "ENCRYPT", "DECRYPT", "KEEP", "KEEP_DAYS", "VERIFY")),
    *("BACKUP_S3_BUCKET", "BACKUP_TIMEOUT_MINUTES"),
    *(f"S3_{part}" for part in ("BUCKET", "ENDPOINT_URL", "REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY")),
):
    os.environ[name] = ""
os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
