"""The one settings module. Every value that differs between machines comes from the environment."""

import logging
from datetime import timedelta
from email.utils import formataddr
from pathlib import Path
from typing import Any

from environs import validate

from accounts.oidc.configuration import oidc_providers
from config import product
from config.local_apps import LOCAL_APPS
from config.openapi import SPECTACULAR_SETTINGS as DESCRIPTION
from config.password_rules import password_validators
from config.rest_framework import SETTINGS as API_CLASSES
from core.backups.configuration import backup_settings
from core.db.databases import REPLICA, ROUTER, database_settings
from core.db.redis_client import caches_at
from core.web import cross_origin
from core.web.environment import Environment, file_storage, weak_secret
from core.web.logs import configure_logging
from core.web.observation import sentry, share_metrics_folder, traces_enabled
from core.web.other_services import relying_party, text_service, upload_scanner
from core.web.service_urls import broker_connection, broker_options

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = "0.2.0"

env = Environment(BASE_DIR)
env.read_env(str(BASE_DIR / ".env"))

# --- mode and keys ---------------------------------------------------------------------------------
DEBUG: bool = bool(env.bool("DEBUG", False))
DEVELOPMENT_KEY = "development-only-key-that-never-leaves-this-machine-0123456789"
SECRET_KEY: str = (env.str("SECRET_KEY", DEVELOPMENT_KEY) if DEBUG else env.str("SECRET_KEY")) or ""
SECRET_KEY_FALLBACKS = env.accepted_keys("SECRET_KEY_FALLBACKS", checked=not DEBUG)
HOSTS = env.list("ALLOWED_HOSTS", ["127.0.0.1", "localhost", "[::1]"]) if DEBUG else env.list("ALLOWED_HOSTS")
ALLOWED_HOSTS: list[str] = list(HOSTS or [])
ENCRYPTION_KEYS = env.accepted_keys("ENCRYPTION_KEYS", checked=not DEBUG)  # core/web/encryption.py
if not DEBUG:
    if SECRET_KEY and (weakness := weak_secret(SECRET_KEY)):
        env.refuse("SECRET_KEY", weakness)
    if "*" in ALLOWED_HOSTS:
        env.refuse("ALLOWED_HOSTS", "must name the hosts: * accepts forged Host headers")

# In pages, emails, the admin, the OpenAPI document and as the issuer of tokens.
PRODUCT_NAME: str = env.str("PRODUCT_NAME", "") or product.NAME
PORT: int = env.int("PORT", 8000) or 8000
# Processes, and threads of each (0: a thread for every request). `manage.py serve` sets both.
WEB_CONCURRENCY: int = env.int("WEB_CONCURRENCY", 1, validate=validate.Range(min=1)) or 1
WEB_THREADS: int = env.int("WEB_THREADS", 0, validate=validate.Range(min=0)) or 0
FRONTEND_URL: str = env.origin("FRONTEND_URL", "") or (
    f"http://127.0.0.1:{PORT}" if DEBUG else f"https://{(ALLOWED_HOSTS or ['localhost'])[0].lstrip('.')}"
)
MAINTENANCE_MODE = bool(env.bool("MAINTENANCE_MODE", False))  # core/web/maintenance.py
API_URL: str = env.origin("API_URL", "") or ""  # of file URLs; empty: paths on the host of the request

# --- the applications ----------------------------------------------------------------------------
INSTALLED_APPS = [
    *(f"core.{room}" for room in ("web", "db", "audit", "admin", "outbox")),
    *(f"core.{room}" for room in ("api", "files", "jobs", "webhooks", "backups", "scaffold", "releases")),
    *("accounts", "accounts.api_keys", "accounts.mfa", "accounts.oidc"),
    *LOCAL_APPS,
    "config.apps.SiteConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "corsheaders",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
MIDDLEWARE = [
    "core.web.middleware.RequestMiddleware",
    "core.web.middleware.PageSecurityMiddleware",
    "core.web.middleware.StaticFilesMiddleware",
    "core.web.middleware.CrossOriginMiddleware",
    "core.web.maintenance.MaintenanceMiddleware",
    "core.web.middleware.AdminSessionMiddleware",
    "core.web.middleware.PageCommonMiddleware",
    "core.web.middleware.PageCsrfMiddleware",
    "core.web.middleware.AdminAuthenticationMiddleware",
    "core.web.middleware.AdminMessageMiddleware",
    "core.web.middleware.PageFrameMiddleware",
    "core.web.middleware.ErrorMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "core.api.views.product",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
APPEND_SLASH = True  # for the admin only: core.web.middleware removes it from the API's paths
LANGUAGE_CODE, FORMAT_MODULE_PATH = "en-us", "config.formats"
TIME_ZONE, USE_TZ = "UTC", True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- data ----------------------------------------------------------------------------------------
DATABASES = database_settings(env, BASE_DIR)
DATABASE_ROUTERS = [ROUTER] if REPLICA in DATABASES else []
# How far the replica may be behind; beyond that its reads go to the primary.
DATABASE_REPLICA_MAX_LAG: float = (
    env.float("DATABASE_REPLICA_MAX_LAG_SECONDS", 10, validate=validate.Range(0.1)) or 10
)

REDIS_URL: str = env.redis("REDIS_URL", "") or ""
REDIS_TIMEOUT = 0.1  # seconds; the cache and the limits must not delay a request for longer
# How long responses to lists are cached; 0: not at all. Never cached without Redis: see core/api/cache.py.
RESPONSE_CACHE_SECONDS: int = env.int("RESPONSE_CACHE_SECONDS", 300, validate=validate.Range(min=0)) or 0
CACHES: dict[str, Any] = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
if REDIS_URL:
    CACHES = caches_at(REDIS_URL, REDIS_TIMEOUT)
else:
    RESPONSE_CACHE_SECONDS = 0

# --- jobs ----------------------------------------------------------------------------------------
BROKER_URL: str = env.broker("CELERY_BROKER_URL", REDIS_URL) or ""
CELERY_BROKER_URL, CELERY_BROKER_USE_SSL = broker_connection(BROKER_URL)
# Celery prefers the unchecked CELERY_BROKER_URL of the environment to the setting; these override it.
CELERY_BROKER_READ_URL = CELERY_BROKER_WRITE_URL = CELERY_BROKER_URL
CELERY_TASK_IGNORE_RESULT = CELERY_TASK_ACKS_LATE = True
CELERY_TASK_TIME_LIMIT = 240
CELERY_TASK_SOFT_TIME_LIMIT = 210
CELERY_WORKER_ENABLE_REMOTE_CONTROL = CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_CONCURRENCY = env.int("CELERY_WORKER_CONCURRENCY", 2)
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = CELERY_BROKER_CHANNEL_ERROR_RETRY = True  # a replica's too
CELERY_BROKER_HEARTBEAT = 5  # seconds; the worker replaces an AMQP connection that misses several
CELERY_BROKER_TRANSPORT_OPTIONS = broker_options(BROKER_URL)
# A process that is free fetches a message. A limit on unacknowledged messages would count one whose acknowledgement has
# failed for ever, and stop the worker.
CELERY_WORKER_DISABLE_PREFETCH = CELERY_BROKER_URL.startswith(("redis", "sentinel"))
CELERY_WORKER_PREFETCH_MULTIPLIER = 0 if CELERY_WORKER_DISABLE_PREFETCH else 1
# A worker listens to all, unless its -Q names some.
CELERY_TASK_QUEUES: dict[str, dict[str, str]] = {"celery": {}, "jobs": {}, "webhooks": {}}
CELERY_TASK_ROUTES = {"core.run_jobs": {"queue": "jobs"}, "core.deliver_webhooks": {"queue": "webhooks"}}
JOB_LEASE = timedelta(seconds=env.float("JOB_LEASE_SECONDS", 60, validate=validate.Range(min=1)) or 60)
CELERY_BEAT_SCHEDULER = "config.heartbeats:Scheduler"
CELERY_BEAT_SCHEDULE_FILENAME = str(BASE_DIR / "var" / "celerybeat-schedule")
BACKUPS = backup_settings(env, BASE_DIR)
# A message expires by the clock of the worker's host, which may be behind or ahead of beat's.
CELERY_BEAT_SCHEDULE = {
    "drain-outbox": {"task": "core.drain_outbox", "schedule": 10.0, "options": {"expires": 60}},
    "run-jobs": {"task": "core.run_jobs", "schedule": 10.0, "options": {"expires": 60}},
    "deliver-webhooks": {"task": "core.deliver_webhooks", "schedule": 5.0, "options": {"expires": 60}},
    "purge-expired": {"task": "core.purge_expired", "schedule": 3600.0, "options": {"expires": 3600}},
    **BACKUPS.schedule,
}

# --- mail ----------------------------------------------------------------------------------------
EMAIL_HOST: str = env.str("EMAIL_HOST", "") or ""
EMAIL_USE_TLS = bool(env.bool("EMAIL_USE_TLS", False))  # STARTTLS
EMAIL_USE_SSL = bool(env.bool("EMAIL_USE_SSL", False))  # TLS from the first byte (RFC 8314)
if EMAIL_USE_TLS and EMAIL_USE_SSL:
    env.refuse("EMAIL_USE_SSL", "cannot be set together with EMAIL_USE_TLS: choose implicit TLS or STARTTLS")
EMAIL_PORT = env.int("EMAIL_PORT", 465 if EMAIL_USE_SSL else 25, validate=validate.Range(1, 65535))
EMAIL_HOST_USER = env.str("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = env.str("EMAIL_HOST_PASSWORD", "")
EMAIL_TIMEOUT = 10  # for each reply; core.outbox.mail.SMTPBackend limits the whole dialogue
EMAIL_BACKEND = DELIVERING_EMAIL_BACKEND = env.str("EMAIL_BACKEND", "") or (
    "core.outbox.mail.SMTPBackend" if EMAIL_HOST else "core.outbox.mail.TerminalBackend"
)
DEFAULT_FROM_EMAIL: str = env.sender("DEFAULT_FROM_EMAIL", formataddr((PRODUCT_NAME, product.SENDER))) or ""
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# --- accounts ------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
LOGIN_REDIRECT_URL = "admin:index"
SILENCED_SYSTEM_CHECKS = [
    "auth.W004",  # an email is unique among users that are not deleted, by a partial constraint
    # these do not recognise the subclasses of the middlewares in core/web/middleware.py
    *("security.W001", "security.W002", "security.W003"),
]
AUTHENTICATION_BACKENDS = ["accounts.backends.LockoutBackend"]
REGISTRATIONS = validate.OneOf(["open", "invite", "closed"])  # anybody, admins, commands of the operator
REGISTRATION: str = env.str("REGISTRATION", "open", validate=REGISTRATIONS) or "open"
OIDC_PROVIDERS = oidc_providers(env)  # by name: users may sign in with these
REQUIRE_VERIFIED_EMAIL = bool(env.bool("REQUIRE_VERIFIED_EMAIL", False))
MFA_REQUIRED_FOR: list[str] = env.items("MFA_REQUIRED_FOR", "") or []  # roles: accounts/mfa/apps.py
WEBAUTHN_RP_ID, WEBAUTHN_ORIGINS = relying_party(env, FRONTEND_URL)
BCRYPT_ROUNDS = env.int("BCRYPT_ROUNDS", 10, validate=validate.Range(4, 20))
PASSWORD_HASHERS = ["accounts.hashers.BCryptHasher"]
AUTH_PASSWORD_VALIDATORS = password_validators(env)
JWT_SIGNING_KEY: str = env.str("JWT_SIGNING_KEY", "") or SECRET_KEY
if not DEBUG and JWT_SIGNING_KEY != SECRET_KEY and (weakness := weak_secret(JWT_SIGNING_KEY)):
    env.refuse("JWT_SIGNING_KEY", weakness)
POSITIVE = validate.Range(min=0, min_inclusive=False)
JWT_VERIFYING_KEYS = env.accepted_keys("JWT_VERIFYING_KEYS", checked=not DEBUG)
JWT_VERIFYING_KEYS += SECRET_KEY_FALLBACKS if JWT_SIGNING_KEY == SECRET_KEY else []
ACCESS_TOKEN_LIFETIME = timedelta(minutes=env.float("ACCESS_TOKEN_MINUTES", 15, validate=POSITIVE) or 15)
REFRESH_TOKEN_LIFETIME = timedelta(days=env.float("REFRESH_TOKEN_DAYS", 7, validate=POSITIVE) or 7)
SESSION_LIFETIME = timedelta(days=env.float("SESSION_MAX_DAYS", 30, validate=POSITIVE) or 30)
REFRESH_GRACE = timedelta(seconds=10)
PASSWORD_RESET_LIFETIME, EMAIL_PROOF_LIFETIME = timedelta(hours=1), timedelta(hours=24)
INVITATION_LIFETIME = EMAIL_UNDO_LIFETIME = NOT_ME_LIFETIME = timedelta(days=7)
LOCKOUT_FAILURES = 5
LOCKOUT_WINDOW = LOCKOUT_DURATION = timedelta(minutes=15)
DAYS = validate.Range(1, 3650)
TRASH_RETENTION = timedelta(days=env.int("TRASH_RETENTION_DAYS", 30, validate=DAYS) or 30)
SESSION_RETENTION = timedelta(days=env.int("SESSION_RETENTION_DAYS", 30, validate=DAYS) or 30)
JOB_RETENTION = timedelta(days=env.int("JOB_RETENTION_DAYS", 30, validate=DAYS) or 30)

# --- the API -------------------------------------------------------------------------------------
MAX_JSON_BYTES = 1024 * 1024
MAX_UPLOAD_MB: int = env.int("MAX_UPLOAD_MB", 10, validate=validate.Range(1, 1024)) or 10
MAX_UPLOAD_BYTES = MAX_UPLOAD_MB * 1024 * 1024
MAX_BODY_BYTES = MAX_UPLOAD_BYTES + 64 * 1024  # with the boundary, headers and other fields around a file
UPLOAD_QUOTA = (env.int("UPLOAD_QUOTA_MB", 1024, validate=POSITIVE) or 1024) * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024  # the admin's forms; the API's own parser is stricter
THROTTLE_RATES = {
    "user": env.rate("THROTTLE_USER", "100/min"),
    "key": env.rate("THROTTLE_KEY", "100/min"),
    "anon": env.rate("THROTTLE_ANON", "100/15min"),
    "auth": env.rate("THROTTLE_AUTH", "100/15min"),
    "summary": env.rate("THROTTLE_SUMMARY", "20/h"),
    "webhook": env.rate("THROTTLE_WEBHOOK", "60/min"),
}
WEBHOOK_ALLOW_PRIVATE = bool(env.bool("WEBHOOK_ALLOW_PRIVATE", False))  # also http; for development and tests
SUMMARIES = text_service(env)  # None: there are none
UPLOAD_SCANNER = upload_scanner(env)  # None: uploads are not scanned
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", 0, validate=validate.Range(min=0)) or 0
REST_FRAMEWORK = API_CLASSES | ({"EXCEPTION_HANDLER": "core.devpages.recording.handle"} if DEBUG else {})
SPECTACULAR_SETTINGS = DESCRIPTION | {"TITLE": PRODUCT_NAME, "VERSION": VERSION}

# --- transport and browsers ----------------------------------------------------------------------
CORS_ALLOWED_ORIGINS = env.cors_origins("CORS_ALLOWED_ORIGINS", "") or []
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/(?!admin/|dev/)"  # no script of another origin may read these by its user's browser
CORS_EXPOSE_HEADERS = cross_origin.RESPONSE_HEADERS
CORS_ALLOW_HEADERS = cross_origin.REQUEST_HEADERS + (env.header_names("CORS_ALLOW_HEADERS", "") or [])
CSRF_FAILURE_VIEW = "core.web.errors.csrf_failure"
CSRF_TRUSTED_ORIGINS = env.trusted_origins("CSRF_TRUSTED_ORIGINS", "") or []
SECURE_SSL_REDIRECT = bool(env.bool("SECURE_SSL_REDIRECT", not DEBUG))
SECURE_REDIRECT_EXEMPT = [r"^api/", r"^health", r"^metrics"]  # the API refuses plain HTTP, it never redirects
SECURE_HSTS_SECONDS = 0 if DEBUG else 365 * 24 * 3600
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not DEBUG
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_REFERRER_POLICY = "no-referrer"
# Without redirect and proxy there is no TLS, so browsers would not return Secure cookies.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG and (SECURE_SSL_REDIRECT or TRUSTED_PROXIES > 0)
AUTH_COOKIE_SECURE = not DEBUG  # of web clients of the API; see accounts/cookies.py
SESSION_ENGINE = "core.admin.sessions"
SESSION_COOKIE_AGE = 12 * 3600
# Browsers require `Secure` for the prefix, which refuses the cookies of a sibling domain.
if SESSION_COOKIE_SECURE:
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-admin-csrftoken"
CSRF_COOKIE_HTTPONLY = True  # the forms of the admin hold the token
MESSAGE_STORAGE = "core.admin.messages.MessageStorage"
STATIC_URL, STATIC_ROOT = "/static/", BASE_DIR / "var" / "static"
STATICFILES_DIRS = [BASE_DIR / "templates" / "static"]
WHITENOISE_ROOT = BASE_DIR / "templates" / "root"  # files that browsers and crawlers request unprompted
WHITENOISE_MAX_AGE = 0 if DEBUG else 24 * 3600  # of files without a hash in their name
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG
STORAGES = {
    "default": file_storage(env, BASE_DIR),
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    **BACKUPS.storages,
}
if DEBUG:
    EMAIL_BACKEND = "core.devpages.emails.RecordingBackend"
    MIDDLEWARE.append("core.devpages.recording.RecordingMiddleware")
    STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}

# --- observation ---------------------------------------------------------------------------------
METRICS_TOKEN = env.str("METRICS_TOKEN", "")
METRICS_PORT = env.int("METRICS_PORT", 0, validate=validate.Range(0, 65535))  # of a worker; 0: none
share_metrics_folder(env, BASE_DIR)
TRACES_ENABLED = traces_enabled(env)
SENTRY = sentry(env, debug=DEBUG, version=VERSION)  # None: defects are not reported
SLOW_STATEMENT_MS = env.int("SLOW_STATEMENT_MS", 500, validate=validate.Range(0))  # 0: none is logged
LOG_LEVEL = env.log_level("LOG_LEVEL", logging.INFO)
LOG_FORMAT = env.log_format("LOG_FORMAT", "console" if DEBUG else "json")

env.stop_if_wrong()
LOGGING_CONFIG = None  # configure_logging is the whole configuration
configure_logging(level=LOG_LEVEL, log_format=LOG_FORMAT)
