"""Run `manage.py` with an app that is in another folder than the project, and not in `config/local_apps.py`.

`python -m core.scaffold.with_app APP FOLDER COMMAND …`, where FOLDER/APP is the app.
"""

import os
import sys
from importlib import import_module

from django.core.management import execute_from_command_line


def main() -> None:
    _program, app, folder, *arguments = sys.argv
    sys.path.insert(0, folder)
    names = import_module("config.local_apps").LOCAL_APPS
    if app not in names:
        names.insert(0, app)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    execute_from_command_line(["manage.py", *arguments])


if __name__ == "__main__":
    main()
