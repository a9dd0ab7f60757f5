"""The RSGI application of the production server (`manage.py serve`), in each of its processes."""

from django.conf import settings

from config.wsgi import application as wsgi_application
from core.web.server import Server

application = Server(wsgi_application, settings.WEB_THREADS)
