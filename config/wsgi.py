import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from core.chunked import with_length

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = with_length(get_wsgi_application())

from core.dispatcher import dispatcher  # noqa: E402 - it reads the settings

if not settings.CELERY_BROKER_URL:
    dispatcher.start()  # without a broker this process is the worker
