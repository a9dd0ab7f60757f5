import os

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application

from core.web.observation import observe

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

django.setup()
observe("web")  # before Django loads the middlewares
django_application = get_wsgi_application()

from core.outbox.dispatcher import dispatcher  # noqa: E402 - it reads the settings
from core.web.middleware import with_readable_headers  # noqa: E402 - likewise

application = with_readable_headers(django_application)

if not settings.CELERY_BROKER_URL:
    dispatcher.start()  # without a broker this process is the worker
