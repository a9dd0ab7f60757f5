"""Write the record of a release to `docs/releases/<version>/`, of a product to `docs/releases/own/` (`make release`).

`release.json` names the version and the commit that is released, the last one before the record. `openapi.json` is its
HTTP contract. `tables.json` holds its tables: {table: {"columns": {name: "type NULL"}, "constraints": [name]}}. The
next release is compared with them: its migrations may only add to the tables, and its contract must still hold.
`manifest.json` holds the SHA-256 of each of its files, for `manage.py upgrade` in copies (core/releases/manifest.py).
Refuses a version that has a record, and a working tree with changes.
"""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"

import django  # noqa: E402

django.setup()

from django.apps import apps  # noqa: E402
from django.conf import settings  # noqa: E402
from drf_spectacular.generators import SchemaGenerator  # noqa: E402

from config.product import NAME  # noqa: E402
from core.releases.manifest import RecordError, folder_of_records, manifest_of  # noqa: E402
from core.releases.trees import Folder  # noqa: E402


def git(*arguments: str) -> str:
    return subprocess.check_output(["git", *arguments], cwd=ROOT, text=True).strip()


def tables() -> dict[str, Any]:
    models = sorted(apps.get_models(include_auto_created=True), key=lambda model: model._meta.db_table)
    return {
        model._meta.db_table: {
            "columns": {
                str(field.column): f"{field.get_internal_type()} {'NULL' if field.null else 'NOT NULL'}"
                for field in model._meta.local_concrete_fields
            },
            "constraints": sorted(constraint.name for constraint in model._meta.constraints),
        }
        for model in models
    }


def main() -> int:
    try:
        folder = ROOT / folder_of_records(Folder(ROOT), NAME) / settings.VERSION
    except RecordError as error:
        return refuse(str(error))
    if folder.exists():
        return refuse(f"{folder.relative_to(ROOT)} exists: raise VERSION in config/settings.py")
    if git("status", "--porcelain", "--untracked-files=no"):
        return refuse("the working tree has changes: commit them first")
    contents: dict[str, Any] = {
        "release": {
            "version": settings.VERSION,
            "commit": git("rev-parse", "HEAD"),
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
        },
        "openapi": SchemaGenerator().get_schema(request=None, public=True),
        "tables": tables(),
        "manifest": manifest_of(
            NAME, settings.VERSION, ROOT, filter(None, git("ls-files", "-z").split("\0"))
        ),
    }
    folder.mkdir(parents=True)
    for name, content in contents.items():
        text = json.dumps(content, indent=1, ensure_ascii=False, default=str)
        (folder / f"{name}.json").write_text(f"{text}\n")
    of = f"of {NAME} {settings.VERSION}"
    print(
        f"release: wrote {folder.relative_to(ROOT)} {of}; commit it, and tag the commit v{settings.VERSION}"
    )
    return 0


def refuse(reason: str) -> int:
    print(f"release: {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
