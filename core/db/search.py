"""Search: every word of a query begins a word of the row, without case and accents, on any database.

A model stores its words, each after a space, in `search_text` (see `index_text`). On any database a row matches if its
text contains ` word`. On PostgreSQL an index of the same words (`core.db.indexes.AddSearchIndex`) finds the candidates.
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
# Not `to_tsvector`: its parser splits `1e5`, `a1b2` and Chinese text into other words than WORD does, so the index and
# the comparison of texts would find different rows. Each word begins with the last digit of its owner's key: for a
# prefix the index collects all rows with that prefix, and so only a sixteenth of them.
VECTOR = (
    "array_to_tsvector(array_remove(string_to_array("
    "replace(%(text)s, ' ', ' ' || right(%(owner)s::text, 1)), ' '), ''))"
)


def words(text: str) -> list[str]:
    """Return the words that search compares: the runs of letters and digits in `text`, without case and accents."""
    return [word[:MAX_WORD_LENGTH] for word in WORD.findall(fold(text))]


def index_text(heading: str, rest: Iterable[str]) -> str:
    """Return `search_text`: each word once, first those of the heading, which rank higher, then HEADING_END and the
    others."""
    first = dict.fromkeys(words(heading))
    others = [word for word in dict.fromkeys(words(" ".join(rest))) if word not in first]
    text = " " + " ".join(first) + (" " if others else "")
    return " ".join((text, *others))[:MAX_SEARCH_TEXT_LENGTH]


class Search(NamedTuple):
    """Words of a search, the queryset before it, the number of that queryset's conditions, and whether to rank."""

    words: list[str]
    rows: Any
    conditions: int
    ranked: bool = False


class SearchQuerySet(BaseQuerySet):
    """Queryset of a model with `search_text`.

    `count` and a slice of a search run two statements: one finds the keys of the first rows by the cheaper plan, the
    other reads these rows. All other methods (`iterator`, `exists`, …) compare the text of each row.
    """

    owner_column = "user"
    search = QueryAttribute()  # a Search, or None
    implied = QueryAttribute(())  # words that each row has because of another condition
    unnarrowed = QueryAttribute()  # the rows before conditions that are slow to test
    indexed = QueryAttribute(True)
    first_keys: list[Any] | None = None  # of a search that was counted

    def trashed(self) -> Self:
        rows = super().trashed()
        rows.indexed = False  # the index has the rows that are not deleted
        return rows

    def implying(self, names: Iterable[str]) -> Self:
        """Return the rows for a condition about another table which only rows with the words of these names fulfil.

        A search then also looks these words up in the index, and does not test the condition on the newest rows.
        """
        rows: Any = self.all()
        rows.implied = (*self.implied, *words(" ".join(names)))
        rows.unnarrowed = self if self.unnarrowed is None else self.unnarrowed
        return rows

    def matching(self, text: str) -> Self:
        """Return the rows in which every word of `text` begins a word."""
        terms = list(dict.fromkeys(words(text)))
        if not terms:
            return self.none() if text.strip() else self  # no word consists of signs only
        rows = self.filter(HasWords(terms, self.owner_column, self.owner))
        rows.search = Search(terms, self, len(rows.query.where.children))
        return rows

    def by_relevance(self) -> Self:
        """Return the newest MAX_MATCHES rows of a search: first those whose heading has the words, whole words before
        prefixes, and equal ones newest first. The limit is because the rank of a row is known only after reading it."""
        if self.search is None:
            raise ValueError("Only a search has a relevance.")
        ranked = self.order_by(*NEWEST)
        ranked.search = self.search._replace(ranked=True)
        return ranked

    def count(self) -> int:
        """Return the number of rows, for a search at most MAX_MATCHES: so many rows have numbered pages, and the cost
        of a common word does not grow with the table. A cursor reaches the last row."""
        if self.search is None:
            return super().count()
        if self.first_keys is None:
            self.first_keys = self.find_keys(MAX_MATCHES)
        return len(self.first_keys)

    def __getitem__(self, at: Any) -> Any:
        has_columns = not self.query.default_cols  # `values` or `values_list`: its results are no instances
        if self.search is None or has_columns or not isinstance(at, slice):
            return super().__getitem__(at)
        keys = self.first_keys
        if keys is None:
            keys = self.find_keys(MAX_MATCHES if self.search.ranked else at.stop)
        with custom_plans(self.db):
            by_key = {row.pk: row for row in self.without_search().filter(has_key(self, keys[at])).order_by()}
        return [by_key[key] for key in keys[at] if key in by_key]

    def without_search(self) -> Any:
        """Return a queryset of the same rows with the methods of any other queryset."""
        rows = self.all()
        rows.search = None
        return rows

    def find_keys(self, number: int | None) -> list[Any]:
        """Return the keys of the first `number` rows in this order. If the search is ranked, they are the newest rows
        by rank."""
        search: Any = self.search
        heading = Left("search_text", MAX_HEADING_LENGTH) if search.ranked else Value("")
        rows = self.without_search().annotate(heading=heading).values_list("pk", "heading")
        with custom_plans(self.db):
            by_index = connections[self.db].vendor == "postgresql" and self.indexed
            first = self.find_by_index(rows, number) if by_index else list(rows[:number])
        if search.ranked:
            first.sort(key=lambda row: -rank(row[1], search.words))
        return [row[0] for row in first]

    def find_by_index(self, matches: Any, number: int | None) -> list[Any]:
        """Return the first `number` matches, from the newest SAMPLE rows if these suffice.

        Most users have few rows, and of a common word the newest rows have enough. The number of matches among the
        newest rows also decides whether the other matches come from the index or from all rows in order.
        """
        search: Any = self.search
        order: Any = self.query.order_by
        rows = search.rows if self.unnarrowed is None else self.unnarrowed
        rows = rows.order_by(*NEWEST).values("pk")
        newest = in_array(ArraySubquery(rows[:SAMPLE]))
        near = list(matches.filter(newest).annotate(more=Exists(rows[SAMPLE:])))
        enough = number is not None and len(near) >= number and order == NEWEST
        if enough or not (near[0][-1] if near else rows[SAMPLE:].exists()):
            return near[:number]
        terms = list(dict.fromkeys((*search.words, *self.implied)))
        hits = len(near)
        if len(self.query.where.children) > search.conditions:
            # A cursor deep in the list excludes the newest rows, which does not make a word rare.
            again = search.rows.matching(" ".join(search.words)).without_search()
            hits = again.filter(newest).count()
        common = hits >= SAMPLE * COMMON / min(len(terms), MAX_INDEX_WORDS)
        if common and self.unnarrowed is None:
            return list(matches[:number])
        candidates = matches.order_by(*map(without_index, order)).values("pk")
        candidates.query.indexed_words = terms if len(terms) <= MAX_INDEX_WORDS else rarest(terms, rows)
        return list(matches.filter(in_array(ArraySubquery(candidates[:number]))))


def rarest(terms: list[str], rows: Any) -> list[str]:
    """Return the words to look up in the index, which collects all rows with each of them, however common."""
    hits = {
        str(number): Count("search_text", filter=Q(search_text__contains=f" {word}"))
        for number, word in enumerate(terms)
    }
    counts = rows.values("search_text")[:SAMPLE].aggregate(**hits)
    return [terms[int(number)] for number in sorted(counts, key=counts.__getitem__)[:MAX_INDEX_WORDS]]


def rank(text: str, terms: Iterable[str]) -> int:
    """Return two points for each word that the heading has, and one for each that begins one of its words."""
    heading = text.partition(HEADING_END)[0] + " "
    return sum((f" {word}" in heading) + (f" {word} " in heading) for word in terms)


def has_key(rows: Any, keys: Sequence[Any]) -> Any:
    """Return the condition that a row has one of these keys."""
    if connections[rows.db].vendor != "postgresql":
        return Q(pk__in=keys)
    return in_array(Value(list(keys), output_field=ArrayField(rows.model._meta.pk)))


def in_array(array: Any) -> Func:
    """Return the condition that the key of a row is in the array.

    PostgreSQL makes the array once, and then looks up each of its keys. A subquery could be joined in any order.
    """
    return Func(
        F("pk"), array, template="%(expressions)s)", arg_joiner=" = ANY(", output_field=BooleanField()
    )


@contextmanager
def custom_plans(database: str) -> Iterator[None]:
    """Prepare no statement of the block: PostgreSQL would use one generic plan, for an owner with a few hundred rows,
    for every owner."""
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


def without_index(key: str | OrderBy) -> OrderBy:
    """Return the same order as an expression that no index has.

    To find the first rows in the order of an index, the planner may read all rows, because it does not know how many
    rows have a word.
    """
    order: Any = (
        OrderBy(F(key.lstrip("-")), descending=key.startswith("-")) if isinstance(key, str) else key.copy()
    )
    order.expression = Coalesce(order.expression, order.expression)
    return order


class HasWords(Func):
    """Condition that each of these words, which consist of letters and digits only, begins a word of the row.

    On PostgreSQL those in `indexed_words` of the query are looked up in the index, as words of this owner, or of every
    owner if it is None. The others are compared with the text of each row that is read.
    """

    output_field = BooleanField()

    def __init__(self, terms: Sequence[str], owner_column: str, owner: Any) -> None:
        super().__init__(F("search_text"), F(owner_column))
        self.terms, self.shares = terms, SHARES if owner is None else str(owner.pk)[-1]

    def as_sql(  # type: ignore[override]
        self, compiler: Any, connection: Any, **_: Any
    ) -> tuple[str, list[Any]]:
        text, owner = (compiler.compile(column)[0] for column in self.get_source_expressions())
        indexed = getattr(compiler.query, "indexed_words", ())
        parameters = [f" {word}" for word in self.terms if word not in indexed]
        position = "STRPOS" if connection.vendor == "postgresql" else "INSTR"
        conditions = [f"{position}({text}, %s) > 0"] * len(parameters)
        if parameters:
            # The planner multiplies its estimates of the single words, and then sorts all rows instead of reading the
            # first ones in order. It estimates that a CASE is true for every second row.
            conditions = [f"CASE WHEN {' AND '.join(conditions)} THEN TRUE ELSE FALSE END"]
        if indexed:
            prefixes = [" | ".join(f"'{share}{word}':*" for share in self.shares) for word in indexed]
            # The planner estimates that the result of a SELECT is rare. It would add up estimates of a constant's
            # parts, until the index seems expensive.
            conditions.append(f"{VECTOR % {'text': text, 'owner': owner}} @@ (SELECT %s::tsquery)")
            parameters.append(" & ".join(f"({either})" for either in prefixes))
        return " AND ".join(conditions), parameters
