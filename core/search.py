"""Search: every word of a query begins a word of the row, whatever the case or accent, on any database.

A model keeps its words, each after a space, in `search_text`, made by `index_text`. Any database finds ` word` in it.
On PostgreSQL an index of the same words does (`core.indexes.AddSearchIndex`), and answers what `LIKE` would.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Any, NamedTuple, Self

from django.db import connections
from django.db.models import BooleanField, Count, F, Lookup, Q, Value
from django.db.models.functions import Concat, Left, Sign, StrIndex, Substr

from core.models.base import BaseQuerySet

LONGEST_WORD = 64
LONGEST_SEARCH_TEXT = 200_000
LONGEST_HEADING = 1_024
HEADING_END = "  "
MOST_FOUND = 1_000
SAMPLE = 1_000
COMMON = 0.05
EVERY_ROW = 2**31
WORD = re.compile(r"[^\W_]+")
# Not `to_tsvector`: its parser has its own idea of a word, and cuts `1e5`, `a1b2` or Chinese otherwise than we do.
# Here every word is taken as it is, and so both ways of asking find the same rows.
VECTOR = "array_to_tsvector(array_remove(string_to_array(%(expressions)s, ' '), ''))"


def words(text: str) -> list[str]:
    """The runs of letters and digits in `text`, without case and accents: what search compares."""
    flat = text.casefold()
    if not flat.isascii():
        decomposed = unicodedata.normalize("NFKD", flat)
        flat = "".join(char for char in decomposed if not unicodedata.combining(char)).casefold()
    found = WORD.findall(flat)
    if max(map(len, found), default=0) > LONGEST_WORD:  # hardly ever
        found = [word[:LONGEST_WORD] for word in found]
    return found


def index_text(heading: str, rest: Iterable[str]) -> str:
    """The words of both, each once, those of the heading first and a second space after them: they rank higher."""
    first = dict.fromkeys(words(heading))
    others = [word for word in dict.fromkeys(words(" ".join(rest))) if word not in first]
    text = " " + " ".join(first) + (" " if others else "")
    return " ".join((text, *others))[:LONGEST_SEARCH_TEXT]


class Search(NamedTuple):
    """What a queryset was searched for, and the queryset before that."""

    words: list[str]
    rows: Any


class SearchQuerySet(BaseQuerySet):
    """The rows of a model with `search_text`."""

    # Numbered pages of a search hold so many rows at most, and no more are counted or ranked: what a common word
    # costs must not grow with the table. A cursor goes on to the last row.
    most_counted: int | None = None
    search: Search | None = None

    def _clone(self) -> Self:
        clone: Any = super()._clone()  # type: ignore[misc]
        clone.search, clone.most_counted = self.search, self.most_counted
        return clone

    def matching(self, text: str) -> Self:
        """Every word of `text` begins a word of the row."""
        wanted = list(dict.fromkeys(words(text)))
        if not wanted:
            return self.none() if text.strip() else self  # no word begins with signs only
        rare = self.rare_among(wanted) if connections[self.db].vendor == "postgresql" else []
        found = self.filter(*(Q(search_text__contains=f" {word}") for word in wanted if word not in rare))
        if rare:
            # The subquery is bounded to keep it apart: the planner takes any word it does not know for one in 200
            # rows, and would rather walk through everything in the order of `sort` than ask the index.
            asked = self.order_by().filter(HasWords(F("search_text"), rare)).values("pk")
            found = found.filter(pk__in=asked[:EVERY_ROW])
        found.search, found.most_counted = Search(wanted, self), MOST_FOUND
        return found

    def rare_among(self, wanted: list[str]) -> list[str]:
        """Those of the words that few of the newest rows hold.

        For them the index is quick. It is slow for common ones, because it first collects whoever has the word;
        there a walk from the newest on soon has enough.
        """
        newest = self.order_by("-created_at", "-id").values("search_text")[:SAMPLE]
        hits = {
            f"word{number}": Count("pk", filter=Q(search_text__contains=f" {word}"))
            for number, word in enumerate(wanted)
        }
        sample = self.model._base_manager.using(self.db).filter(pk__in=newest.values("pk"))
        seen = sample.aggregate(rows=Count("pk"), **hits)
        return [
            word
            for number, word in enumerate(wanted)
            if seen[f"word{number}"] < max(seen["rows"], SAMPLE) * COMMON
        ]

    def by_relevance(self) -> Self:
        """Of a search: its newest MOST_FOUND rows, those first whose heading has the words, whole rather than begun;
        equal ones newest first. Only so many, because the rank of a row is known when it has been read."""
        if self.search is None:
            raise ValueError("Only a search has a relevance.")
        newest = self.order_by("-created_at", "-id").values("pk")[:MOST_FOUND]
        text = Concat(Left("search_text", LONGEST_HEADING), Value(HEADING_END))
        heading = Substr(text, 1, StrIndex(text, Value(HEADING_END)))
        rank: Any = Value(0)
        for word in self.search.words:
            rank += Sign(StrIndex(heading, Value(f" {word}"))) + Sign(StrIndex(heading, Value(f" {word} ")))
        ranked: Self = self.search.rows.filter(pk__in=newest).order_by(rank.desc(), "-created_at", "-id")
        ranked.search, ranked.most_counted = self.search, self.most_counted
        return ranked


class HasWords(Lookup):
    """On PostgreSQL, by the index: each of these words begins one of the row's. They hold letters and digits only,
    so nothing in them is an operator."""

    lookup_name = "has_words"
    prepare_rhs = False
    output_field = BooleanField()

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        column, parameters = self.process_lhs(compiler, connection)
        query = " & ".join(f"'{word}':*" for word in self.rhs)
        return f"{VECTOR % {'expressions': column}} @@ %s::tsquery", (*parameters, query)
