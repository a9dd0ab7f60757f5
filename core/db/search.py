"""Search: every word of a query begins a word of the row, whatever the case or accent, on any database.

A model keeps its words, each after a space, in `search_text`, made by `index_text`. Any database finds ` word` in it.
On PostgreSQL an index of the same words (`core.db.indexes.AddSearchIndex`) says which rows are worth a look.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db import connections
from django.db.models import BooleanField, Count, Exists, F, Func, OrderBy, Q, Value
from django.db.models.functions import Coalesce, Left

from core.db.base import BaseQuerySet
from core.db.query_attributes import QueryAttribute
from core.web.text import fold

MAX_WORD_LENGTH = 64
MAX_SEARCH_TEXT_LENGTH = 200_000
MAX_HEADING_LENGTH = 1_024
HEADING_END = "  "
MAX_MATCHES = 500
NEWEST = ("-created_at", "-id")
SAMPLE = 1_000
COMMON = 0.05
MAX_INDEX_WORDS = 3
SHARES = "0123456789abcdef"
WORD = re.compile(r"[^\W_]+")
# Not `to_tsvector`: its parser has its own idea of a word, and cuts `1e5`, `a1b2` or Chinese otherwise than we do.
# Here every word is taken as it is, and so both ways of asking find the same rows. Each begins with the last letter
# of its owner's key: to find a beginning, the index collects all rows that have it, and so only a sixteenth of them.
VECTOR = (
    "array_to_tsvector(array_remove(string_to_array("
    "replace(%(text)s, ' ', ' ' || right(%(owner)s::text, 1)), ' '), ''))"
)


def words(text: str) -> list[str]:
    """The runs of letters and digits in `text`, without case and accents: what search compares."""
    found = WORD.findall(fold(text))
    if max(map(len, found), default=0) > MAX_WORD_LENGTH:  # hardly ever
        found = [word[:MAX_WORD_LENGTH] for word in found]
    return found


def index_text(heading: str, rest: Iterable[str]) -> str:
    """The words of both, each once, those of the heading first and a second space after them: they rank higher."""
    first = dict.fromkeys(words(heading))
    others = [word for word in dict.fromkeys(words(" ".join(rest))) if word not in first]
    text = " " + " ".join(first) + (" " if others else "")
    return " ".join((text, *others))[:MAX_SEARCH_TEXT_LENGTH]


class Search(NamedTuple):
    """What a queryset was searched for, the queryset before that, how many conditions it had then, and whether the best
    stand first."""

    words: list[str]
    rows: Any
    conditions: int
    ranked: bool = False


class SearchQuerySet(BaseQuerySet):
    """The rows of a model with `search_text`.

    What a search shows is read in two steps, by `count` and by a slice: the keys of the first rows, on whatever way
    is short, and then the rows. Everything else (`iterator`, `exists`, …) compares word by word.
    """

    owner_column = "user"
    search = QueryAttribute()  # a Search, or None
    implied = QueryAttribute(())  # words that each row has for another reason
    unnarrowed = QueryAttribute()  # the rows before conditions that are slow to test
    indexed = QueryAttribute(True)
    has_columns = QueryAttribute(False)  # `values` or `values_list`: its results are no instances
    found_keys: list[Any] | None = None  # not `keys`, which dict() takes for those of a mapping

    def values(self, *fields: Any, **expressions: Any) -> Any:
        rows: Any = super().values(*fields, **expressions)
        rows.has_columns = True
        return rows

    def values_list(self, *fields: Any, flat: bool = False, named: bool = False) -> Any:
        rows: Any = super().values_list(*fields, flat=flat, named=named)
        rows.has_columns = True
        return rows

    def trashed(self) -> Self:
        rows = super().trashed()
        rows.indexed = False
        return rows

    def implying(self, names: Iterable[str]) -> Self:
        """For a condition about another table, which no row fulfils without the words of these names. A search then
        asks the index for these too, and does not test the condition on all of the newest rows."""
        rows: Any = self.all()
        rows.implied = (*self.implied, *words(" ".join(names)))
        rows.unnarrowed = self if self.unnarrowed is None else self.unnarrowed
        return rows

    def matching(self, text: str) -> Self:
        """Every word of `text` begins a word of the row."""
        wanted = list(dict.fromkeys(words(text)))
        if not wanted:
            return self.none() if text.strip() else self  # no word begins with signs only
        found = self.filter(HasWords(wanted, self.owner_column, self.owner))
        found.search = Search(wanted, self, len(found.query.where.children))
        return found

    def by_relevance(self) -> Self:
        """Of a search: its newest MAX_MATCHES rows, those first whose heading has the words, whole rather than begun;
        equal ones newest first. Only so many, because the rank of a row is known when it has been read."""
        if self.search is None:
            raise ValueError("Only a search has a relevance.")
        ranked = self.order_by(*NEWEST)
        ranked.search = self.search._replace(ranked=True)
        return ranked

    def count(self) -> int:
        """Of a search at most MAX_MATCHES, and numbered pages hold so many: what a common word costs must not grow
        with the table. A cursor goes on to the last row."""
        if self.search is None:
            return super().count()
        if self.found_keys is None:
            self.found_keys = self.first_keys(MAX_MATCHES)
        return len(self.found_keys)

    def __getitem__(self, at: Any) -> Any:
        if self.search is None or self.has_columns or not isinstance(at, slice):
            return super().__getitem__(at)
        keys = self.found_keys
        if keys is None:
            keys = self.first_keys(MAX_MATCHES if self.search.ranked else at.stop)
        with planned_for_its_values(self.db):
            brought = {row.pk: row for row in self.unsearched().filter(among(self, keys[at])).order_by()}
        return [brought[key] for key in keys[at] if key in brought]

    def unsearched(self) -> Any:
        """The same rows, read as those of any other queryset."""
        rows = self.all()
        rows.search = None
        return rows

    def first_keys(self, number: int | None) -> list[Any]:
        """The keys of the first `number` rows in this order, or with `ranked` of the newest, the best first."""
        search: Any = self.search
        heading = Left("search_text", MAX_HEADING_LENGTH) if search.ranked else Value("")
        found = self.unsearched().annotate(heading=heading).values_list("pk", "heading")
        with planned_for_its_values(self.db):
            by_index = connections[self.db].vendor == "postgresql" and self.indexed
            first = self.quickly(found, number) if by_index else list(found[:number])
        if search.ranked:
            first.sort(key=lambda row: -rank(row[1], search.words))
        return [row[0] for row in first]

    def quickly(self, found: Any, number: int | None) -> list[Any]:
        """Most people have few rows, and with common words the newest ones soon hold enough: so a look at these
        comes first. It also tells whether to ask the index for the others, or to walk on."""
        search: Any = self.search
        order: Any = self.query.order_by
        rows = search.rows if self.unnarrowed is None else self.unnarrowed
        rows = rows.order_by(*NEWEST).values("pk")
        near = list(found.filter(any_of(ArraySubquery(rows[:SAMPLE]))).annotate(more=Exists(rows[SAMPLE:])))
        enough = number is not None and len(near) >= number and order == NEWEST
        if enough or not (near[0][-1] if near else rows[SAMPLE:].exists()):
            return near[:number]
        wanted = list(dict.fromkeys((*search.words, *self.implied)))
        hits = len(near)
        if len(self.query.where.children) > search.conditions:
            # A cursor deep in the list leaves nothing of the newest rows, and makes no word rare.
            again = search.rows.matching(" ".join(search.words)).unsearched()
            hits = again.filter(any_of(ArraySubquery(rows[:SAMPLE]))).count()
        common = hits >= SAMPLE * COMMON / min(len(wanted), MAX_INDEX_WORDS)
        if common and self.unnarrowed is None:
            return list(found[:number])
        asked = found.order_by(*map(unindexed, order)).values("pk")
        asked.query.asked_of_index = wanted if len(wanted) <= MAX_INDEX_WORDS else rarest(wanted, rows)
        return list(found.filter(any_of(ArraySubquery(asked[:number]))))


def rarest(wanted: list[str], rows: Any) -> list[str]:
    """Those of the words to ask the index for: it collects all rows with each of them, however common."""
    hits = {
        str(number): Count("search_text", filter=Q(search_text__contains=f" {word}"))
        for number, word in enumerate(wanted)
    }
    seen = rows.values("search_text")[:SAMPLE].aggregate(**hits)
    return [wanted[int(number)] for number in sorted(seen, key=seen.__getitem__)[:MAX_INDEX_WORDS]]


def rank(text: str, wanted: Iterable[str]) -> int:
    """Two points for each word that the heading has, one for each that begins one of its words."""
    heading = text.partition(HEADING_END)[0] + " "
    return sum((f" {word}" in heading) + (f" {word} " in heading) for word in wanted)


def among(rows: Any, keys: Sequence[Any]) -> Any:
    """A condition: one of these keys."""
    if connections[rows.db].vendor != "postgresql":
        return Q(pk__in=keys)
    return any_of(Value(list(keys), output_field=ArrayField(rows.model._meta.pk)))


def any_of(array: Any) -> Func:
    """The key is in this array. PostgreSQL makes the array first, once, and then looks each of its keys up; a subquery
    it may join to other conditions in any order."""
    return Func(
        F("pk"), array, template="%(expressions)s)", arg_joiner=" = ANY(", output_field=BooleanField()
    )


@contextmanager
def planned_for_its_values(database: str) -> Iterator[None]:
    """PostgreSQL plans a prepared statement once for all: as for somebody with a few hundred rows, whoever asks."""
    connection = connections[database]
    if connection.vendor != "postgresql":
        yield
        return
    connection.ensure_connection()
    raw: Any = connection.connection
    threshold, raw.prepare_threshold = raw.prepare_threshold, None
    try:
        yield
    finally:
        raw.prepare_threshold = threshold


def unindexed(key: str | OrderBy) -> OrderBy:
    """The same order, which no index has. In one that an index has, the planner may walk through all rows to find the
    first ones, because it knows nothing of how many rows have a word."""
    order: Any = (
        OrderBy(F(key.lstrip("-")), descending=key.startswith("-")) if isinstance(key, str) else key.copy()
    )
    order.expression = Coalesce(order.expression, order.expression)
    return order


class HasWords(Func):
    """Each of these words, which hold letters and digits only, begins one of the row's.

    Those in `asked_of_index` of the query are looked up in the index on PostgreSQL, as words of this owner or, with
    None, of everybody. The others are compared with the text of each row that is read.
    """

    output_field = BooleanField()

    def __init__(self, wanted: Sequence[str], owner_column: str, owner: Any) -> None:
        super().__init__(F("search_text"), F(owner_column))
        self.wanted, self.shares = wanted, SHARES if owner is None else str(owner.pk)[-1]

    def as_sql(  # type: ignore[override]
        self, compiler: Any, connection: Any, **_: Any
    ) -> tuple[str, list[Any]]:
        text, owner = (compiler.compile(column)[0] for column in self.get_source_expressions())
        asked = getattr(compiler.query, "asked_of_index", ())
        compared = [f" {word}" for word in self.wanted if word not in asked]
        position = "STRPOS" if connection.vendor == "postgresql" else "INSTR"
        conditions, parameters = [f"{position}({text}, %s) > 0"] * len(compared), compared
        if compared:
            # The planner multiplies its guesses at single words, and rather sorts all rows than walk through the first
            # ones. It takes a CASE for true in every second row.
            conditions = [f"CASE WHEN {' AND '.join(conditions)} THEN TRUE ELSE FALSE END"]
        if asked:
            begun = [" | ".join(f"'{share}{word}':*" for share in self.shares) for word in asked]
            # In a SELECT of its own it is taken for rare: guesses at its parts add up, until the index looks dear.
            conditions.append(f"{VECTOR % {'text': text, 'owner': owner}} @@ (SELECT %s::tsquery)")
            parameters.append(" & ".join(f"({either})" for either in begun))
        return " AND ".join(conditions), parameters
