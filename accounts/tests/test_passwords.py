"""The rules for passwords, and their comparison."""

import json

import pytest
from django.conf import settings as project
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password
from django.core.exceptions import ValidationError

from accounts.models import User
from accounts.tests.checks import API, data, log_in_with, problems
from accounts.tests.factories import UserFactory
from core.tests.interpreter import django_python

pytestmark = pytest.mark.django_db

EMAIL = "ann@example.com"


def register(client, password, email=EMAIL, name="Ann Able"):
    return client.post(f"{API}/auth/register", {"email": email, "password": password, "name": name})


def of_length(length):
    return ("Xk7-" * 40)[:length]


@pytest.mark.parametrize("length", [8, 64, 72, 73, 128])
def test_8_to_128_characters_are_accepted(anonymous, length):
    assert register(anonymous, of_length(length)).status_code == 201
    assert log_in_with(EMAIL, of_length(length)).status_code == 200


@pytest.mark.parametrize(("length", "code"), [(1, "min_length"), (7, "min_length"), (129, "max_length")])
def test_other_lengths_are_refused_before_the_slow_hash(anonymous, hashes, length, code):
    assert problems(register(anonymous, of_length(length))) == [("password", code)]
    assert hashes.count == 0


def test_a_password_of_megabytes_is_refused_unread(anonymous, hashes):
    assert register(anonymous, "A1" + "x" * 4_000_000).status_code == 413
    assert hashes.count == 0


def test_characters_are_counted_and_not_bytes(anonymous):
    password = "Ж7" + "ж" * 126  # 255 bytes

    assert register(anonymous, password).status_code == 201
    assert log_in_with(EMAIL, password).status_code == 200


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("no-upper-c4se", ["password_no_upper"]),
        ("No-digit-here", ["password_no_digit"]),
        ("neither-of-them", ["password_no_upper", "password_no_digit"]),
        ("Password1", ["password_too_common"]),
        ("QWERTY123", ["password_too_common"]),
        ("password", ["password_no_upper", "password_no_digit", "password_too_common"]),
        ("        ", ["password_no_upper", "password_no_digit"]),
    ],
)
def test_names_each_rule_that_is_broken(anonymous, password, expected):
    refused = problems(register(anonymous, password))

    assert set(refused) >= {("password", code) for code in expected}
    assert {field for field, _code in refused} == {"password"}
    assert not User.objects.exists()


def test_an_empty_password_is_refused_by_its_field(anonymous):
    assert problems(register(anonymous, "")) == [("password", "blank")]


@pytest.mark.parametrize(
    ("password", "email", "name"),
    [
        ("Ann@example.com1", EMAIL, "Somebody"),
        ("Magdalena7x", "magdalena@example.com", "Somebody"),
        ("xMagdalena12", EMAIL, "Magdalena Able"),
        ("Magdalena-Able1", EMAIL, "Magdalena Able"),
        ("ELBA1anelad", EMAIL, "Elba Anelad"),
        ("7q-Oliver-Xk", EMAIL, "Oliver Able"),
    ],
)
def test_a_password_like_the_email_or_the_name_is_refused(anonymous, password, email, name):
    assert problems(register(anonymous, password, email, name)) == [("password", "password_too_similar")]


@pytest.mark.parametrize("name", ["Al", "Ann Able", "Kim"])
def test_a_short_name_is_not_compared(anonymous, name):
    assert register(anonymous, "Walking-k1mono-ann", "al@example.com", name).status_code == 201


@pytest.mark.parametrize(
    ("password", "status"),
    [
        ("Blue-Bikes-7", 400),
        ("BLUEBIKES2026", 400),
        ("xBikes77x", 400),
        ("Walking-k1mono-blue", 201),
        ("Bik-es7-Xk9-qT", 201),
    ],
)
def test_a_password_like_the_name_of_the_product_is_refused(anonymous, password, status):
    response = register(anonymous, password)

    assert response.status_code == status
    if status == 400:
        assert problems(response) == [("password", "password_too_similar")]


@pytest.mark.parametrize("password", ["Über-größe7", "Пароль-номер7", "ΟΔΥΣΣΕΥΣ٧٧x", "A 1😀😀😀😀😀"])
def test_letters_and_digits_of_every_script_count(anonymous, password):
    assert register(anonymous, password).status_code == 201
    assert log_in_with(EMAIL, password).status_code == 200


@pytest.mark.parametrize(
    "other",
    [
        "Corr3ct  horse",
        "Corr3ct horse",
        " Corr3ct  horse",
        "Corr3ct  horse ",
        " corr3ct  horse ",
        " Corr3ct\thorse ",
    ],
)
def test_spaces_are_significant(anonymous, other):
    password = " Corr3ct  horse "
    register(anonymous, password)

    assert log_in_with(EMAIL, other).status_code == 401
    assert log_in_with(EMAIL, password).status_code == 200


@pytest.mark.parametrize(
    "same", [("x" * 70 + "A1", "x" * 72), ("Ж" * 34 + "A1x", "")], ids=["ASCII", "two bytes each"]
)
def test_characters_after_72_bytes_are_significant(anonymous, same):
    beginning = same[0]
    assert len(beginning.encode()) in {71, 72}
    register(anonymous, beginning + "tail")

    assert log_in_with(EMAIL, beginning + "tale").status_code == 401
    assert log_in_with(EMAIL, beginning).status_code == 401
    assert log_in_with(EMAIL, beginning + "tail").status_code == 200


@pytest.mark.parametrize(
    ("typed", "again"),
    [
        ("Ångström-n0w", "A\u030angstro\u0308m-n0w"),  # composed, decomposed
        ("Office-n0w-open", "Oﬃce-n0w-open"),  # a ligature
        ("Ｗide-n0w-open", "Wide-n0w-open"),  # full width
    ],
)
def test_equivalent_unicode_forms_are_the_same_password(anonymous, typed, again):
    register(anonymous, typed)

    assert log_in_with(EMAIL, again).status_code == 200


def test_the_rules_apply_to_the_normalised_password(anonymous):
    """Normalise passwords to 4 and 256 characters, and to one with an upper-case letter."""
    assert problems(register(anonymous, "E\u0301" * 3 + "1a"))[0] == ("password", "password_too_short")
    assert ("password", "password_too_long") in problems(register(anonymous, "A1" + "ﬀ" * 126))
    assert register(anonymous, "ｎow-we-7Ａ").status_code == 201


@pytest.mark.parametrize("escape", ["\\u0000", "\\ud800"], ids=["NUL", "lone surrogate"])
def test_characters_that_cannot_be_stored_are_refused(anonymous, escape):
    body = json.dumps({"email": EMAIL, "name": "Ann Able", "password": "Corr3ct-horse"}).replace("-", escape)

    response = anonymous.generic("POST", f"{API}/auth/register", body, content_type="application/json")

    assert [field for field, _code in problems(response)] == ["password"]


def test_only_a_salted_bcrypt_hash_is_stored(anonymous):
    register(anonymous, of_length(20))
    register(anonymous, of_length(20), "bob@example.com")

    one, other = User.objects.values_list("password", flat=True)
    assert one.startswith(f"bcrypt_sha256$$2b${project.BCRYPT_ROUNDS:02}$")
    assert one != other


def test_the_cost_of_a_hash_is_10_by_default():
    done = django_python("from django.conf import settings; print(settings.BCRYPT_ROUNDS)", BCRYPT_ROUNDS="")

    assert done.stdout.strip() == "10", done.stderr


def test_a_user_without_a_password_cannot_log_in(anonymous):
    user = User.objects.create_user("ann@example.com", "Ann Able")

    assert not user.has_usable_password()
    for guess in ("", "!", "None", user.password):
        assert log_in_with(EMAIL, guess).status_code in {400, 401}


def test_the_rules_apply_without_a_user_too():
    """Check a password without a user, as `createsuperuser` does."""
    validate_password("Walking-k1mono")
    with pytest.raises(ValidationError) as refused:
        validate_password("short")

    codes = {problem.code for problem in refused.value.error_list}
    assert codes == {"password_too_short", "password_no_upper", "password_no_digit"}


def test_every_rule_has_a_help_text():
    assert len(password_validators_help_texts()) == len(project.AUTH_PASSWORD_VALIDATORS)
    assert all(password_validators_help_texts())


def test_a_login_does_not_check_the_rules(anonymous):
    UserFactory(email=EMAIL, password="old")

    assert data(log_in_with(EMAIL, "old"))["user"]["email"] == EMAIL


def test_a_problem_has_the_limit_that_its_message_names(anonymous):
    details = [
        register(anonymous, password, name=name).json()["error"]["details"][0]
        for password, name in (("Sh0rt", "Ann"), ("A1" + "ﬀ" * 126, "Ann"), ("Corr3ct-horse", "A"))
    ]

    assert [(item["field"], item["params"]) for item in details] == [
        ("password", {"min": 8}),
        ("password", {"max": 128}),
        ("name", {"min": 2}),
    ]
