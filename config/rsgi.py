"""The RSGI application of the production server (`manage.py serve`), in each of its processes."""

from django.conf import settings

from core.web.logs import write_in_background

write_in_background()  # before the imports that log

from accounts.hash_limit import hash_limit  # noqa: E402 - it may log
from config.wsgi import application as wsgi_application  # noqa: E402 - likewise
from core.web.server import Server  # noqa: E402 - likewise

# A request to one of these hashes a password: one more than can hash at once, which is read and written meanwhile.
SLOW_PATHS = ("login", "register", "change-password", "reset-password", "step-up")
SLOTS = {f"/api/v1/auth/{name}": hash_limit.slots + 1 for name in SLOW_PATHS}

application = Server(wsgi_application, settings.WEB_THREADS, SLOTS)
