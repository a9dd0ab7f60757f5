"""Access tokens that are refused: every forgery and malformed one is a 401, whatever its claims."""

import base64
import hmac
import json
import time
import uuid

import pytest
from django.conf import settings as project

from accounts import tokens
from accounts.tests.checks import API, access_of, data, refresh_with, refusal, try_token

pytestmark = pytest.mark.django_db

OLD_KEY, NEW_KEY = "an-older-key-" + "x" * 50, "a-newer-key-" + "y" * 50
REMOVED = object()


def claims(owner, **changes):
    """Return the claims of a genuine access token, with the changes."""
    now = int(time.time())
    genuine = {
        "token_type": "access",
        "sub": str(owner.user.pk),
        "sid": str(owner.session_id),
        "jti": "0123456789abcdef",
        "iat": now,
        "exp": now + 900,
        "iss": "Blue Bikes",
        "aud": "Blue Bikes API",
    }
    return {name: value for name, value in (genuine | changes).items() if value is not REMOVED}


def signed(payload, key=None, algorithm="HS256", headers=None):
    """Sign as the product signs, without any check of the claims."""
    head = {"alg": algorithm, "typ": "JWT", **(headers or {})}
    message = ".".join(encoded(json.dumps(part).encode()) for part in (head, payload))
    key = (key or project.JWT_SIGNING_KEY).encode()
    return f"{message}.{encoded(hmac.digest(key, message.encode(), algorithm.replace('HS', 'sha')))}"


def encoded(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_a_token_signed_by_the_test_is_accepted(owner):
    """Check the helper: otherwise the refusals below would prove nothing."""
    assert try_token(signed(claims(owner))) == "accepted"


NO_TEXT: tuple[object, ...] = ([], {}, 1, None, True, "")
NO_ID = (*NO_TEXT, "x", "9" * 40, "é" * 36, "-" * 36, "g" + "0" * 35)
ODD = {
    "exp": (1e20, 10**20, 2**63, 1e308, 4e9 + 0.5, "soon", "9999999999", [9999999999], {}, None),
    "iat": (1.5, -1, 10**20, "now", [1], None, True),
    "nbf": (1e400, "now", [1], {}),
    "sub": NO_ID,
    "sid": NO_ID,
    "jti": NO_TEXT,
    "token_type": (*NO_TEXT, "refresh", "Access", "password_reset", ["access"]),
    "iss": ("somebody", ["Blue Bikes"], None, 1),
    "aud": ("other-api", ["other-api"], None, 1, {}),
}


@pytest.mark.parametrize("name", ["token_type", "sub", "sid", "jti", "iat", "exp", "iss", "aud"])
def test_a_missing_claim_is_refused(owner, name):
    assert try_token(signed(claims(owner, **{name: REMOVED}))) == "UNAUTHORIZED"


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in ODD for value in ODD[name]])
def test_an_odd_claim_is_refused(owner, name, value):
    assert try_token(signed(claims(owner, **{name: value}))) == "UNAUTHORIZED"


@pytest.mark.parametrize("expiry", [0, -1, -1.5, True])
def test_an_oddly_early_expiry_is_refused(owner, expiry):
    assert try_token(signed(claims(owner, exp=expiry))) in {"UNAUTHORIZED", "TOKEN_EXPIRED"}


@pytest.mark.parametrize("payload", [[], "text", 1, None, [{"sub": 1}]])
def test_a_payload_that_is_no_object_is_refused(payload):
    assert try_token(signed(payload)) == "UNAUTHORIZED"


@pytest.mark.parametrize("user", ["somebody else", "nobody"])
def test_the_session_must_be_that_of_the_user(owner, stranger, user):
    other = stranger.user.pk if user == "somebody else" else uuid.uuid4()

    assert try_token(signed(claims(owner, sub=str(other)))) == "TOKEN_REVOKED"
    assert try_token(signed(claims(owner, sid=str(uuid.uuid4())))) == "TOKEN_REVOKED"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"exp": 1}, "TOKEN_EXPIRED"),
        ({"exp": 0}, "TOKEN_EXPIRED"),
        ({"exp": 899}, "accepted"),
        ({"iat": 25}, "accepted"),
        ({"iat": 500}, "UNAUTHORIZED"),
        ({"nbf": 25}, "accepted"),
        ({"nbf": 500}, "UNAUTHORIZED"),
        ({"nbf": -500}, "accepted"),
    ],
    ids=str,
)
def test_clocks_may_differ_a_little_but_lifetimes_are_exact(clock, owner, changes, expected):
    now = int(time.time())
    shifted = {name: now + seconds for name, seconds in changes.items()}
    if "exp" in changes and expected == "TOKEN_EXPIRED":
        shifted = {"exp": now + changes["exp"] - 1, "iat": now - 900}

    assert try_token(signed(claims(owner, **shifted))) == expected


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE"])
@pytest.mark.parametrize("signature", ["", "x", "genuine"])
def test_an_unsigned_token_is_refused(owner, name, signature):
    genuine = signed(claims(owner))
    head, payload = encoded(json.dumps({"alg": name, "typ": "JWT"}).encode()), genuine.split(".")[1]

    assert (
        try_token(f"{head}.{payload}.{genuine.split('.')[2] if signature == 'genuine' else signature}")
        == "UNAUTHORIZED"
    )


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_with_our_key_is_refused(owner, algorithm):
    assert try_token(signed(claims(owner), algorithm=algorithm)) == "UNAUTHORIZED"
    assert try_token(signed(claims(owner), headers={"alg": algorithm})) == "UNAUTHORIZED"


@pytest.mark.parametrize("key", ["", "secret", "app", "a-newer-key-" + "y" * 50])
def test_another_key_is_refused(owner, key):
    message = signed(claims(owner)).rpartition(".")[0]
    signature = encoded(hmac.digest(key.encode(), message.encode(), "sha256"))

    assert try_token(f"{message}.{signature}") == "UNAUTHORIZED"


@pytest.mark.parametrize(
    "headers",
    [
        {"kid": "../../etc/passwd"},
        {"kid": "' OR 1=1 --"},
        {"kid": ["x"]},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/cert"},
        {"jwk": {"kty": "oct", "k": encoded(b"evil")}},
    ],
    ids=str,
)
def test_key_headers_do_not_select_a_key(owner, headers):
    assert try_token(signed(claims(owner), key="evil", headers=headers)) == "UNAUTHORIZED"


def test_an_unknown_critical_header_is_refused(owner):
    assert try_token(signed(claims(owner), headers={"crit": ["exotic"], "exotic": 1})) == "UNAUTHORIZED"


@pytest.mark.parametrize("part", [0, 1, 2], ids=["header", "payload", "signature"])
def test_every_flipped_bit_is_refused(owner, part):
    """Calls the rule itself, as there are some thousand tokens."""
    parts = access_of(owner).split(".")
    for position, character in enumerate(parts[part]):
        for bit in range(6):
            flipped = BASE64[BASE64.index(character) ^ (1 << bit)]
            changed = parts[part][:position] + flipped + parts[part][position + 1 :]
            with pytest.raises(tokens.ApiError) as refused:
                tokens.read(".".join([*parts[:part], changed, *parts[part + 1 :]]), tokens.ACCESS)
            assert refused.value.code == "UNAUTHORIZED"


BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

MALFORMED = {
    "empty": lambda token: "",
    "one dot": lambda token: token.rpartition(".")[0],
    "no dots": lambda token: token.replace(".", ""),
    "extra dot": lambda token: token + ".",
    "extra part": lambda token: token + ".x",
    "empty parts": lambda token: "..",
    "truncated": lambda token: token[:-5],
    "padded": lambda token: token + "=",
    "space inside": lambda token: token[:20] + " " + token[20:],
    "newline inside": lambda token: token[:20] + "\n" + token[20:],
    "not ASCII": lambda token: token[:-1] + "é",
    "one megabyte": lambda token: token + "A" * 2**20,
    "long header": lambda token: "A" * 4096 + token,
    "twice": lambda token: f"{token} {token}",
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_token_is_refused(owner, kind):
    assert try_token(MALFORMED[kind](access_of(owner))) == "UNAUTHORIZED"


@pytest.mark.parametrize("scheme", ["Basic", "Token", "JWT", "Bearer:", ""])
def test_another_scheme_is_refused(anonymous, owner, scheme):
    response = anonymous.get(f"{API}/users/me", headers={"Authorization": f"{scheme} {access_of(owner)}"})

    assert refusal(response) == (401, "UNAUTHORIZED")
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer  "])
def test_the_scheme_is_case_insensitive(anonymous, owner, scheme):
    response = anonymous.get(f"{API}/users/me", headers={"Authorization": f"{scheme} {access_of(owner)}"})

    assert data(response)["id"] == str(owner.user.pk)


def test_a_token_in_the_query_is_ignored(anonymous, owner):
    for name in ("access_token", "token", "accessToken"):
        assert refusal(anonymous.get(f"{API}/users/me", {name: access_of(owner)})) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize("part", [0, 1], ids=["header", "payload"])
def test_deep_nesting_is_refused(owner, part):
    parts = access_of(owner).split(".")
    parts[part] = encoded(b'{"alg": "HS256", "a": ' + b"[" * 1200)

    assert try_token(".".join(parts)) == "UNAUTHORIZED"


def test_the_tokens_of_a_deleted_user_are_refused_even_with_a_live_session(owner):
    owner.user.soft_delete()

    assert owner.user.sessions.get().is_live
    assert try_token(access_of(owner)) == "TOKEN_REVOKED"
    assert refusal(refresh_with(owner.refresh_token)) == (401, "TOKEN_REVOKED")


def test_a_refresh_token_is_refused_as_access_token(owner):
    assert try_token(owner.refresh_token) == "UNAUTHORIZED"


def test_a_secret_has_256_random_bits_and_its_own_value():
    """It is in refresh tokens and in links of emails."""
    secrets = {tokens.new_jti() for _ in range(1000)}

    assert len(secrets) == 1000
    assert {len(base64.urlsafe_b64decode(secret + "=")) for secret in secrets} == {32}


# --- rotating the keys ---------------------------------------------------------------------------


@pytest.fixture
def keys(settings):
    """Return a function that changes the keys, as a restart with other settings does."""

    def restart():
        tokens.backends.cache_clear()
        tokens.genuine.cache_clear()

    def change(signing, *verifying):
        settings.JWT_SIGNING_KEY, settings.JWT_VERIFYING_KEYS = signing, list(verifying)
        restart()

    yield change
    restart()


def test_a_token_of_the_former_key_is_valid_during_the_overlap(keys, owner):
    keys(OLD_KEY)
    token = signed(claims(owner), OLD_KEY)

    keys(NEW_KEY, "unrelated-" + "z" * 50, OLD_KEY)
    assert try_token(token) == try_token(signed(claims(owner), NEW_KEY)) == "accepted"

    keys(NEW_KEY)
    assert try_token(token) == "UNAUTHORIZED"


def test_a_refresh_token_of_the_former_key_gets_tokens_of_the_new_one(keys, log_in, owner):
    keys(OLD_KEY)
    caller = log_in(owner.user)
    keys(NEW_KEY, OLD_KEY)

    pair = data(caller.post(f"{API}/auth/refresh", {"refreshToken": caller.refresh_token}))["tokens"]

    keys(NEW_KEY)
    assert try_token(pair["accessToken"]) == "accepted"


def test_an_expired_token_of_the_former_key_is_expired(keys, owner):
    keys(NEW_KEY, OLD_KEY)

    assert try_token(signed(claims(owner, exp=int(time.time()) - 60), OLD_KEY)) == "TOKEN_EXPIRED"
