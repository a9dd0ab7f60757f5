"""Keys are replaced in three steps without a token refused: real servers of neighbouring steps share one database."""

import base64
import json
import re
import secrets
import urllib.request
from contextlib import ExitStack
from functools import cache
from http.cookiejar import CookieJar
from urllib.parse import urlencode

import pytest

from config.tests.processes import SmallProduct, call

pytestmark = pytest.mark.once

OLD, NEW = secrets.token_urlsafe(64), secrets.token_urlsafe(64)
STEPS = {
    # The tokens are signed by SECRET_KEY too.
    "SECRET_KEY": [
        {"SECRET_KEY": OLD},
        {"SECRET_KEY": OLD, "SECRET_KEY_FALLBACKS": NEW},
        {"SECRET_KEY": NEW, "SECRET_KEY_FALLBACKS": OLD},
        {"SECRET_KEY": NEW},
    ],
    "JWT_SIGNING_KEY": [
        {"JWT_SIGNING_KEY": OLD},
        {"JWT_SIGNING_KEY": OLD, "JWT_VERIFYING_KEYS": NEW},
        {"JWT_SIGNING_KEY": NEW, "JWT_VERIFYING_KEYS": OLD},
        {"JWT_SIGNING_KEY": NEW},
    ],
}
EMAIL, PASSWORD = "ada@example.com", "An0ther-battery-staple"


@pytest.fixture(scope="module")
def rotations(tmp_path_factory):
    """Start the servers of each key once; a parametrised fixture would start them again as the tests are shuffled."""
    with ExitStack() as stack:

        @cache
        def start(key):
            first, *others = STEPS[key]
            product = stack.enter_context(SmallProduct(tmp_path_factory.mktemp("rotation"), **first))
            identity = ("--noinput", "--email", EMAIL, "--name", "Ada")
            product.manage("createsuperuser", *identity, DJANGO_SUPERUSER_PASSWORD=PASSWORD)
            urls = [product.url, *[product.another_server(**step) for step in others]]
            for url in urls:
                product.wait_until_ready(url)
            return urls

        yield start


@pytest.fixture(params=list(STEPS))
def servers(request, rotations):
    """Start four web servers, one for each step; return their URLs."""
    return rotations(request.param)


# Two servers that run at the same time: the first and the second request go to different ones.
@pytest.fixture(params=[(0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (3, 2)], ids=str)
def pair(request, servers):
    return [servers[step] for step in request.param]


def data(response, status=200):
    assert response.status == status, response.body
    return response.json()["data"]


def log_in(url):
    body = {"email": EMAIL, "password": PASSWORD}
    return data(call(f"{url}/api/v1/auth/login", "POST", body))["tokens"]


def refresh(url, tokens):
    body = {"refreshToken": tokens["refreshToken"]}
    return data(call(f"{url}/api/v1/auth/refresh", "POST", body))["tokens"]


def me(url, tokens):
    return call(f"{url}/api/v1/users/me", token=tokens["accessToken"])


def jti(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["jti"]


def test_an_access_token_of_one_server_is_accepted_by_the_other(pair):
    here, there = pair

    assert me(there, log_in(here)).status == 200


def test_a_refresh_on_one_server_is_repeated_and_continued_on_the_other(pair):
    here, there = pair
    tokens = log_in(here)
    child, again = refresh(here, tokens), refresh(there, tokens)

    assert jti(child["refreshToken"]) == jti(again["refreshToken"])
    assert me(here, again).status == me(there, child).status == 200
    assert refresh(there, refresh(here, again))


def test_a_session_continues_through_all_steps(servers):
    tokens = log_in(servers[0])
    for url in servers:
        tokens = refresh(url, tokens)
        assert me(url, tokens).status == 200


def test_without_the_first_step_the_old_servers_refuse_new_tokens(servers):
    assert me(servers[0], log_in(servers[2])).status == 401
    assert me(servers[3], log_in(servers[0])).status == 401


def test_cookies_are_accepted_by_both_servers(pair):
    here, there = pair
    body = {"email": EMAIL, "password": PASSWORD}
    response = call(f"{here}/api/v1/auth/login?delivery=cookie", "POST", body)
    cookies = "; ".join(line.partition(";")[0] for line in response.headers.get_all("Set-Cookie"))
    sent = {"Cookie": cookies, "X_CSRFToken": data(response)["csrfToken"]}

    assert call(f"{there}/api/v1/resources", "POST", {"title": "Trip"}, **sent).status == 201
    assert call(f"{there}/api/v1/auth/refresh", "POST", {}, **sent).status == 200


def test_cursors_and_signed_urls_are_accepted_by_both_servers(pair):
    here, there = pair
    token = log_in(here)["accessToken"]
    created = [call(f"{here}/api/v1/resources", "POST", {"title": "Trip"}, token) for _ in range(2)]
    page = call(f"{here}/api/v1/resources?cursor=&limit=1", token=token).json()
    upload = urllib.request.Request(
        f"{here}{created[0].headers['Location']}/attachments",
        data=b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nHello\r\n--x--\r\n',
        headers={"Authorization": f"Bearer {token}", "Content-Type": "multipart/form-data; boundary=x"},
    )
    with urllib.request.urlopen(upload, timeout=30) as response:
        address = json.loads(response.read())["data"]["url"]

    following = call(f"{there}/api/v1/resources?cursor={page['meta']['nextCursor']}&limit=1", token=token)
    assert following.status == 200
    assert call(f"{there}{address}").body == b"Hello"


def test_a_request_repeated_on_the_other_server_has_its_effect_once(pair):
    here, there = pair
    token, key = log_in(here)["accessToken"], secrets.token_hex(16)
    responses = [
        call(f"{url}/api/v1/resources", "POST", {"title": "Once"}, token, Idempotency_Key=key)
        for url in (here, there)
    ]

    assert [response.status for response in responses] == [201, 201]
    assert responses[0].json() == responses[1].json()
    assert responses[1].headers["Idempotency-Replayed"] == "true"


def test_failed_logins_of_both_servers_count_together(pair):
    here, there = pair
    body = {"email": f"{secrets.token_hex(8)}@example.com", "password": "wrong"}
    statuses = [call(f"{url}/api/v1/auth/login", "POST", body).status for url in [here] * 3 + [there] * 3]

    assert statuses == [401, 401, 401, 401, 401, 423]
    assert call(f"{here}/api/v1/auth/login", "POST", body).status == 423


def test_a_session_of_the_admin_continues(pair):
    here, there = pair
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    form = browser.open(f"{here}/admin/login/", timeout=30).read().decode()
    csrf = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)[1]
    fields = {"csrfmiddlewaretoken": csrf, "username": EMAIL, "password": PASSWORD}
    browser.open(f"{here}/admin/login/", data=urlencode(fields).encode(), timeout=30)

    for url in (there, here, there):
        assert browser.open(f"{url}/admin/", timeout=30).geturl() == f"{url}/admin/"
