"""The logins of the demo data, for the command that makes them and the greeting that shows them."""

DEMO_USER = "user@example.com"
DEMO_ADMIN = "admin@example.com"
DEMO_PASSWORD = "Try-it-0ut-now"  # noqa: S105 - only ever made while DEBUG is on
