"""Fill the cache of responses before users come, after a restart of Redis or in the morning."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Exists, Max, OuterRef
from django_redis import get_redis_connection
from redis import RedisError

from accounts.models import Session, User
from core.api.cache import UnknownPathError, cached_paths, view_at, warm
from core.db.owner_versions import remember
from core.web.progress import Progress


class Command(BaseCommand):
    help = (
        "Cache the lists of the users who were active last and are still logged in, as if each of them had requested "
        "them. A response is cached for RESPONSE_CACHE_SECONDS, or until its owner changes something."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--users", type=int, default=1000, help="how many users (default 1000)")
        parser.add_argument(
            "--path",
            action="append",
            dest="paths",
            help="a list with its query, as clients request it: /api/v1/resources?limit=50 (several may be "
            "named; by default every list, without a query)",
        )

    def handle(self, *, users: int, paths: list[str] | None, **_options: Any) -> None:
        if users < 1:
            raise CommandError("--users must be at least 1.")
        if not settings.RESPONSE_CACHE_SECONDS:
            raise CommandError("Nothing is cached: REDIS_URL is empty, or RESPONSE_CACHE_SECONDS is 0.")
        try:
            get_redis_connection("default").ping()
        except RedisError as error:
            raise CommandError("Redis at REDIS_URL does not respond.") from error
        try:
            views = [(path, view_at(path)) for path in paths or cached_paths()]
        except UnknownPathError as error:
            known = ", ".join(cached_paths())
            raise CommandError(
                f"--path {error}: no list whose responses are cached. Those are {known}"
            ) from error
        cached = refused = 0
        with Progress(self.stdout, "users", users) as progress:
            for done, user in enumerate(latest(users), start=1):
                remember(user, getattr(getattr(user, "owner_version", None), "token", None))
                for path, view in views:
                    succeeded = warm(view, path, user)
                    cached, refused = cached + succeeded, refused + (not succeeded)
                progress(done)
        self.stdout.write(f"Cached {cached} lists for {settings.RESPONSE_CACHE_SECONDS} seconds.")
        if refused:
            self.stderr.write(f"{refused} were refused: is the query right?")


def latest(number: int) -> Any:
    """Return the users with a live session, by when they were active last."""
    live = Session.objects.live().filter(user=OuterRef("pk"))
    people = User.objects.not_deleted().filter(Exists(live)).select_related("owner_version")
    return (
        people.annotate(seen=Max("sessions__last_used_at"))
        .order_by("-seen")[:number]
        .iterator(chunk_size=500)
    )
