"""Settings with a view that has a defect, for `DJANGO_SETTINGS_MODULE`, and a task that has one, for `celery -A`."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", __name__)

from config.settings import *  # noqa: F403 - as Django documents it

ROOT_URLCONF = "config.tests.defective_urls"
