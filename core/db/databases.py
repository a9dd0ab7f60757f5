"""The `DATABASES` setting: the primary, and a replica to read from.

config/settings.py imports this module, so it reads no settings.
"""

from pathlib import Path
from typing import Any

from core.web.environment import Environment

REPLICA = "replica"  # the alias
ROUTER = "core.db.replica.ReplicaRouter"


def database_settings(env: Environment, folder: Path) -> dict[str, dict[str, Any]]:
    """Return `DATABASES`. Relative paths begin at `folder`."""
    default: dict[str, Any] = env.database("DATABASE_URL", f"sqlite:///{folder / 'var' / 'db.sqlite3'}") or {}
    replica: dict[str, Any] = env.replica("DATABASE_REPLICA_URL", "") or {}
    is_sqlite = "sqlite" in default.get("ENGINE", "")
    # PgBouncer in transaction mode: docs/deployment.md
    is_pooled = not env.bool("DATABASE_PREPARED_STATEMENTS", True)
    if is_sqlite and default["NAME"] != ":memory:":  # relative to this tree, wherever a command is started
        default["NAME"] = str(folder / default["NAME"])
        env.make_folder("DATABASE_URL", Path(default["NAME"]).parent)
    if is_sqlite:  # tests use a file too: threads cannot share a database in memory
        default["TEST"] = {"NAME": f"{default['NAME']}.test"}
    if not replica:
        return {"default": pooled(default) if is_pooled and not is_sqlite else default}
    if is_sqlite:
        env.refuse("DATABASE_REPLICA_URL", "needs a DATABASE_URL of PostgreSQL, of which it is a standby")
    replica["TEST"] = {"MIRROR": "default"}
    both = {"default": default, REPLICA: replica}
    return {alias: pooled(each) if is_pooled else each for alias, each in both.items()}


def pooled(database: dict[str, Any]) -> dict[str, Any]:
    options = {**database.get("OPTIONS", {}), "prepare_threshold": None}
    return {**database, "OPTIONS": options, "DISABLE_SERVER_SIDE_CURSORS": True}
