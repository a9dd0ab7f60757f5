"""Made-up resources in any number, for benchmarks and to look at a full database.

Text, status and tags of a row follow from the seed, its owner's address and its number, its time from these two, so
that every run makes the same rows. Words are as in life: a few are everywhere, most are rare (Zipf's law).
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import accumulate, islice
from operator import attrgetter
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models import AutoField, Model

from accounts.models import User
from resources.models import Resource, ResourceTag, Tag

COMMON_WORDS = (
    "the of and to in is for that with on as by this from at are be or an it was not which have has one more we "
    "all can new may other will work time report meeting project notes plan budget review draft team market data "
    "release customer change week draft idea summary question reply list travel office letter design test"
)
ACCENTED_WORDS = "café zürich montréal naïve crème señor über façade"
TAG_NAMES = [
    "work",
    "home",
    "ideas",
    "travel",
    "meeting",
    "urgent",
    "later",
    "finance",
    "people",
    "food",
    "history",
    "numbers",
    "recipes",
    "music",
    "books",
    "garden",
    "health",
    "school",
    "team",
    "legal",
    "family",
    "design",
    "sales",
    "press",
]
VOCABULARY = 30_000
TAPE = 300_000
EPOCH = datetime.fromtimestamp(0, UTC)
FIRST, LAST = datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
PERIOD = (LAST - FIRST) // timedelta(microseconds=1)
MAX_WORDS = 95
BATCH = 2_000
INSERT_BATCH = 500

Made = tuple[Resource, list[str]]


@cache
def tape() -> list[str]:
    """Return one long text. Each resource is a cutting of it, which is far quicker than to draw every word anew."""
    random = Random(0)
    vocabulary = dict.fromkeys(COMMON_WORDS.split())
    while len(vocabulary) < VOCABULARY:
        syllables = (
            random.choice("bdfgklmnprstvz") + random.choice("aeiou") for _ in range(random.randint(2, 5))
        )
        vocabulary["".join(syllables)] = None
        if len(vocabulary) == VOCABULARY // 10:
            vocabulary |= dict.fromkeys(ACCENTED_WORDS.split())
    weights = accumulate(1 / (rank + 5) for rank in range(len(vocabulary)))
    return random.choices(list(vocabulary), cum_weights=list(weights), k=TAPE)


class Sketch(NamedTuple):
    """The plan of a resource, cheap enough to make for one that exists already."""

    user: User
    number: int
    created_at: datetime
    key: UUID


def sketch(user: User, number: int) -> Sketch:
    name = f"{user.email}/{number}".encode()
    spread = int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big") % PERIOD
    created_at = FIRST + timedelta(microseconds=spread)
    return Sketch(user, number, created_at, key_of(user, number, created_at))


def key_of(user: User, number: int, created_at: datetime) -> UUID:
    """Return a UUIDv7 of that time (RFC 9562, 5.7) whose random bits follow from owner and number: a second run makes
    the same key, and so knows that the row is there."""
    milliseconds = (created_at - EPOCH) // timedelta(milliseconds=1)
    digest = hashlib.blake2b(user.pk.bytes + number.to_bytes(8, "big"), digest_size=10).digest()
    bits = milliseconds << 80 | int.from_bytes(digest, "big")
    bits = bits & ~(0xF << 76) | 0x7 << 76
    return UUID(int=bits & ~(0x3 << 62) | 0x2 << 62)


def make_resource(drawn: Sketch, seed: int, tag_count: int) -> Made:
    """Return a resource as `create_resource` would have made it, not stored yet, and the names of its tags."""
    random = Random(f"{seed}/{drawn.user.email}/{drawn.number}")
    start = random.randrange(TAPE - MAX_WORDS)
    cut, end = start + random.randint(3, 7), start + random.randint(55, MAX_WORDS)
    resource = Resource(
        id=drawn.key,
        user=drawn.user,
        title=" ".join(tape()[start:cut]).capitalize(),
        content=f"{' '.join(tape()[cut:end]).capitalize()}. No {random.randrange(10**7)}.",
        status=random.choices(Resource.Status.values, cum_weights=(5, 9, 10))[0],
        created_at=drawn.created_at,
        updated_at=drawn.created_at,
    )
    tags = random.sample(TAG_NAMES, tag_count)
    resource.index_words(tags)
    return resource, tags


def missing_among(sketches: list[Sketch]) -> list[Sketch]:
    keys = [drawn.key for drawn in sketches]
    there = set(Resource.objects.filter(pk__in=keys).values_list("pk", flat=True))
    return [drawn for drawn in sketches if drawn.key not in there]


def store(made: list[Made]) -> int:
    """Store new resources with their tags, and return how many."""
    with transaction.atomic():
        load_rows([resource for resource, _ in made])
        tags = {
            (tag.user_id, tag.name): tag
            for tag in Tag.objects.filter(user__in={resource.user for resource, names in made if names})
        }
        fresh: dict[tuple[Any, str], Tag] = {}
        for resource, names in made:
            for name in names:
                if (resource.user_id, name) not in tags:
                    tag = Tag(user=resource.user, name=name, created_at=FIRST, updated_at=FIRST)
                    tags[resource.user_id, name] = fresh[resource.user_id, name] = tag
        load_rows(list(fresh.values()))
        load_rows(
            [
                ResourceTag(
                    resource_id=resource.pk, tag_id=tags[resource.user_id, name].pk, position=position
                )
                for resource, names in made
                for position, name in enumerate(names)
            ]
        )
    return len(made)


def seed_resources(counts: Iterable[tuple[User, int]], seed: int, tag_count: int) -> Iterator[int]:
    """Store so many resources for each owner, as far as they are missing, in transactions of BATCH rows, and yield how
    many each of them stored. While one batch is stored, a thread makes the next: PostgreSQL works on another core."""
    sketches = (sketch(user, number) for user, count in counts for number in range(count))
    with ThreadPoolExecutor(1) as maker:
        waiting: Future[list[Made]] | None = None
        while batch := list(islice(sketches, BATCH)):
            missing = missing_among(batch)
            following = maker.submit(
                lambda drawn: [make_resource(x, seed, tag_count) for x in drawn], missing
            )
            if waiting is not None:
                yield store(waiting.result())
            waiting = following
        if waiting is not None:
            yield store(waiting.result())


def load_rows(rows: Sequence[Model]) -> None:
    """Store new rows of one model as they are, without `save()`. Their keys must be set already.

    COPY knows no limit of parameters. It takes the values without the preparation of Django's fields, which costs
    more than sending them: psycopg knows texts, numbers, times and UUIDs, and refuses what it does not know.
    """
    if not rows:
        return
    model = type(rows[0])
    if connection.vendor != "postgresql":
        model._default_manager.bulk_create(rows, batch_size=INSERT_BATCH)
        return
    fields = [field for field in model._meta.concrete_fields if not isinstance(field, AutoField)]
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    statement = f"COPY {quote(model._meta.db_table)} ({columns}) FROM STDIN"
    values = attrgetter(*(field.attname for field in fields))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(values(row))
