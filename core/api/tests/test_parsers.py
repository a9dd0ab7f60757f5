"""Request bodies: what RFC 8259 leaves open is decided on the safe side."""

import io
import json

import pytest
from django.test import Client, RequestFactory

from core.api.parsers import MAX_DEPTH, StrictJSONParser, refuse_unstorable
from core.tests.answers import code, problems
from core.tests.cost import cpu_seconds
from core.web.errors import ApiError
from core.web.text import MAX_SHOWN

pytestmark = pytest.mark.urls("core.tests.urls")


def post(body):
    return Client().generic("POST", "/test/echo", body, "application/json")


def nested(depth, opening=b"[", closing=b"]"):
    """An object that is so many levels deep, itself included."""
    return b'{"a":' + opening * (depth - 1) + closing * (depth - 1) + b"}"


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1',
        b'{"a": ',
        b'{"a": 1,}',
        b'{"a": [1,]}',
        b"{'a': 1}",
        b"{a: 1}",
        b'{"a": 1} x',
        b'{"a": 1}{"a": 2}',
        b'// comment\n{"a": 1}',
        b'{"a": 1 /* comment */}',
        b'\xef\xbb\xbf{"a": 1}',
        b" ",
        b"null",
        b"true",
        b"1",
        b'"x"',
        b"[]",
        b"[{}]",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 01}',
        b'{"a": .5}',
        b'{"a": 0x10}',
        b'{"a": ' + b"1" * 5000 + b"}",
        b'{"a": "tab\there"}',
        b'{"a": "nul\x00here"}',
        b'{"a": "\\x41"}',
        b'{"a": "\\u12"}',
        b'{"a": "\xff"}',
        b'{"a": "\xc3"}',
        b'{"a": "\xed\xa0\x80"}',
        '{"a": "é"}'.encode("latin-1"),
        '{"a": 1}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-32"),
        b"\x80\x04\x95",
        b"<a>1</a>",
        b"a=1",
    ],
)
def test_what_is_no_json_object_in_utf_8_is_malformed(body):
    assert code(post(body)) == (400, "MALFORMED_REQUEST")


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (b"{}", {}),
        (b' \r\n\t{"a": 1}\n ', {"a": 1}),
        (b'{"a": "\\u00e9\\n\\ud83c\\udf88"}', {"a": "é\n🎈"}),
        ('{"é": "🎈"}'.encode(), {"é": "🎈"}),
        (b'{"a": [1, -2.5, true, null, {"b": ""}]}', {"a": [1, -2.5, True, None, {"b": ""}]}),
        (b'{"": 1}', {"": 1}),
    ],
)
def test_an_object_is_read_as_it_is(body, read):
    assert post(body).json()["data"] == read


def test_without_a_body_there_are_no_fields():
    assert post(b"").json()["data"] == {}


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "a": 2}',
        b'{"a": 1, "\\u0061": 1}',
        b'{"x": {"a": 1, "a": 1}}',
        b'{"x": [{"a": 1, "a": 1}]}',
    ],
)
def test_a_key_that_stands_twice_is_malformed(body):
    assert code(post(body)) == (400, "MALFORMED_REQUEST")


# --- depth ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":[', b"]}")])
def test_32_levels_are_read_and_33_are_not(opening, closing):
    levels = opening.count(b"[") + opening.count(b"{")
    deepest = b'{"a":' + opening * (31 // levels) + closing * (31 // levels) + b"}"
    deeper = b'{"a":' + opening * (33 // levels) + closing * (33 // levels) + b"}"

    assert MAX_DEPTH == 32
    assert post(nested(32)).status_code == 200
    assert code(post(nested(33))) == (400, "MALFORMED_REQUEST")
    assert post(deepest).status_code == 200
    assert code(post(deeper)) == (400, "MALFORMED_REQUEST")


@pytest.mark.parametrize(
    "body", [nested(100_000), b"[" * 100_000, b'{"a":' * 100_000, b'["\\"' * 100_000, b'"[' * 100_000]
)
def test_a_hostile_depth_costs_little(body):
    with cpu_seconds(1):
        response = post(body)

    assert code(response) == (400, "MALFORMED_REQUEST")


@pytest.mark.parametrize("value", ["[" * 1000, "{" * 1000, '\\"[' * 500, "\\\\"])
def test_brackets_in_a_string_are_no_depth(value):
    assert post(b'{"a": "%s"}' % value.encode()).status_code == 200


def test_brackets_side_by_side_are_no_depth():
    assert post(b'{"a": [' + b",".join([b"[]"] * 10_000) + b"]}").status_code == 200


# --- what no database stores ----------------------------------------------------------------------


@pytest.mark.parametrize("sign", ["\\u0000", "\\ud800", "\\udfff", "\\udc00\\ud800"])
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"a": "x%sy"}', "a"),
        ('{"a": {"b": ["ok", "%s"]}}', "a.b.1"),
        ('{"%s": 1}', None),
        ('{"a": {"%s": 1}}', "a"),
        ('{"a": [[{"b": "%s"}]]}', "a.0.0.b"),
    ],
)
def test_nul_and_lone_surrogates_are_refused_by_the_name_of_their_field(sign, body, field):
    assert problems(post((body % sign).encode())) == {field: "invalid_characters"}


class CountedKey(str):
    """A key that counts how often a longer text is made of it."""

    made = 0

    def __format__(self, spec):
        CountedKey.made += 1
        return super().__format__(spec)

    def __str__(self):
        CountedKey.made += 1
        return super().__str__()


def test_no_path_is_made_of_the_keys_of_a_body_that_is_stored(monkeypatch):
    monkeypatch.setattr(CountedKey, "made", 0)
    refuse_unstorable({CountedKey("k"): [1, {CountedKey("k"): ["x"] * 1000}] * 1000})

    assert CountedKey.made == 0


def test_a_long_key_comes_back_shortened():
    key = "k" * 100_000
    [detail] = post(json.dumps({"a": {key: ["\0"]}})).json()["error"]["details"]

    assert detail["code"] == "invalid_characters"
    assert detail["field"].startswith("a.kkk")
    assert len(detail["field"]) == MAX_SHOWN


def test_a_backslash_before_u0000_is_just_text():
    assert post(b'{"a": "\\\\u0000"}').json()["data"] == {"a": "\\u0000"}


# --- size -----------------------------------------------------------------------------------------


def parse(stream, **meta):
    request = RequestFactory().post("/", content_type="application/json")
    request.META.pop("CONTENT_LENGTH", None)
    request.META.update(meta)
    return StrictJSONParser().parse(stream, "application/json", {"request": request})


class Endless(io.RawIOBase):
    """A client that sends for ever, and counts what was taken of it."""

    taken = 0

    def readable(self):
        return True

    def readinto(self, buffer):
        buffer[:] = b" " * len(buffer)
        self.taken += len(buffer)
        return len(buffer)


@pytest.mark.parametrize(
    "meta", [{}, {"CONTENT_LENGTH": ""}, {"CONTENT_LENGTH": "10"}, {"CONTENT_LENGTH": "x"}]
)
def test_a_body_of_undeclared_length_is_read_up_to_the_limit_only(settings, meta):
    stream = Endless()

    with pytest.raises(ApiError) as refusal:
        parse(io.BufferedReader(stream), **meta)
    assert refusal.value.code == "PAYLOAD_TOO_LARGE"
    assert stream.taken < settings.MAX_JSON_BYTES + 100_000


def test_a_body_that_declares_too_much_is_not_read_at_all():
    stream = Endless()

    with pytest.raises(ApiError):
        parse(io.BufferedReader(stream), CONTENT_LENGTH=str(1024 * 1024 + 1))
    assert stream.taken == 0


def test_a_body_of_undeclared_length_is_read_when_it_fits():
    assert parse(io.BytesIO(b'{"a": 1}')) == {"a": 1}
