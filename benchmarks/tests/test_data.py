import base64
import json

import jwt

from benchmarks.client import meaning, signed_token
from benchmarks.contenders import ALL, libpq
from benchmarks.data import Caller, new_resource, searched_words


def test_a_word_inside_another_one_is_not_searched_for():
    assert searched_words(["acorn budget", "macorn budget"], tags=[]) == ("macorn", "budget")


def test_a_word_of_a_tag_is_not_searched_for():
    assert searched_words(["acorn budget", "birch budget"], tags=["acorns"]) == ("birch", "budget")


def test_a_new_resource_is_the_same_for_everybody():
    caller = Caller("1", "a@example.com", [], ["a", "b", "c"], "rare", "common")

    assert new_resource(caller, 7) == new_resource(caller, 7)
    assert len(set(new_resource(caller, 7)["tags"])) == 2


def test_the_token_for_the_bare_view_is_a_jwt():
    token = signed_token("someone", "s" * 40)

    assert jwt.decode(token, "s" * 40, algorithms=["HS256"])["sub"] == "someone"
    assert json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "==")) == {"alg": "HS256", "typ": "JWT"}


def test_the_order_of_tags_is_not_compared():
    row = {"id": "1", "title": "t", "content": "c", "status": "draft", "tags": ["b", "a"], "more": 1}

    assert meaning(row) == meaning({**row, "tags": ["a", "b"], "more": 2})


def test_words_of_a_search_are_quoted_in_the_path():
    assert ALL["stock_drf"].list_path("a b&c") == "/api/resources/?search=a%20b%26c"


def test_an_address_becomes_libpq_s_variables():
    variables = libpq("postgres://me:s%23cret@db.example:5433/name")

    assert variables == {
        "PGHOST": "db.example",
        "PGPORT": "5433",
        "PGUSER": "me",
        "PGPASSWORD": "s#cret",
        "PGDATABASE": "name",
    }
