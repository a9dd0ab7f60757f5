"""The logins of the demo data, which `demo` creates and `runserver` prints."""

DEMO_USER = "user@example.com"
DEMO_ADMIN = "admin@example.com"
DEMO_PASSWORD = "Try-it-0ut-now"  # noqa: S105 - created only while DEBUG is on
