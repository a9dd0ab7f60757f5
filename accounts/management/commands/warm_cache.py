"""Fill the read cache before people come, after a restart of Redis or in the morning."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Exists, Max, OuterRef

from accounts.models import Session, User
from core.api.cache_warming import UnknownPathError, kept_lists, view_at, warm
from core.db.owner_versions import remember
from core.db.redis_client import shared_link


class Command(BaseCommand):
    help = (
        "Keep lists in Redis for those who were here last and are still logged in, as if each of them had asked. "
        "What is kept stays for READ_CACHE_SECONDS, or until its owner changes something."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--users", type=int, default=1000, help="how many people (default 1000)")
        parser.add_argument(
            "--path",
            action="append",
            dest="paths",
            help="a list with its query, as clients ask for it: /api/v1/resources?limit=50 (several may be "
            "named; by default every list, without a query)",
        )

    def handle(self, *, users: int, paths: list[str] | None, **_options: Any) -> None:
        if users < 1:
            raise CommandError("--users must be at least 1.")
        link = shared_link()
        if link is None or not settings.READ_CACHE_SECONDS:
            raise CommandError("Nothing is kept: REDIS_URL is empty, or READ_CACHE_SECONDS is 0.")
        if link.call("PING") is None:
            raise CommandError("Redis at REDIS_URL does not answer.")
        chosen = paths or list(kept_lists())
        try:
            views = [(path, view_at(path)) for path in chosen]
        except UnknownPathError as error:
            known = ", ".join(kept_lists())
            raise CommandError(
                f"--path {error}: no list whose answers are kept. Those are {known}"
            ) from error
        done = refused = 0
        for user in latest(users):
            remember(user, getattr(getattr(user, "revision", None), "number", None))
            for path, view in views:
                answered = warm(view, path, user)
                done, refused = done + answered, refused + (not answered)
        self.stdout.write(f"Kept {done} lists for {settings.READ_CACHE_SECONDS} seconds.")
        if refused:
            self.stderr.write(f"{refused} were refused: is the query right?")


def latest(number: int) -> Any:
    """The people with a live session, those first who used theirs last."""
    live = Session.objects.live().filter(user=OuterRef("pk"))
    people = User.objects.alive().filter(Exists(live)).select_related("revision")
    return (
        people.annotate(seen=Max("sessions__last_used_at"))
        .order_by("-seen")[:number]
        .iterator(chunk_size=500)
    )
