"""A restored product does not believe anything that clients, caches and thieves have from before."""

import os
import re

import pytest

from config.tests.processes import Product

pytestmark = pytest.mark.backups

PASSWORD, EMAIL = "Corr3ct-horse-battery", "ann@example.com"
TITLES = ("In the backup", "After the backup")


def token_in(email):
    return re.search(r"token=([\w-]+)", email.get_body(("plain",)).get_content())[1]


class Restored(Product):
    """A product that is backed up, used, stopped, restored and started again. Holds what a client has from before."""

    def __init__(self, folder):
        super().__init__(folder, BACKUP_FOLDER=str(folder / "backups"), MEDIA_ROOT=str(folder / "media"))

    def log_in(self):
        response = self.api("POST", "/auth/login", {"email": EMAIL, "password": PASSWORD})
        return response.json()["data"]["tokens"]

    def use(self):
        """Back up between two changes of one resource."""
        person = {"email": EMAIL, "password": PASSWORD, "name": "Ann"}
        self.api("POST", "/auth/register", person)
        self.verification = token_in(self.sink.next_email())
        self.api("POST", "/auth/forgot-password", {"email": EMAIL})
        self.reset = token_in(self.sink.next_email())
        self.tokens = self.log_in()
        access = self.tokens["accessToken"]
        made = self.api("POST", "/resources", {"title": TITLES[0]}, access)
        self.path = made.headers["Location"].partition("/api/v1")[2]
        self.list_before = self.api("GET", "/resources", token=access).headers["ETag"]
        self.backup = self.manage("backup", "--verify").partition(":")[0]
        changed = self.api("PATCH", self.path, {"title": TITLES[1]}, access)
        self.object_after = changed.headers["ETag"]
        self.list_after = self.api("GET", "/resources", token=access).headers["ETag"]

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(timeout=60)
        self.processes.clear()

    def restore(self):
        self.stop()
        self.manage("restore", self.backup, "--noinput", "--pending-mail", "keep")
        self.start_servers()
        self.access = self.log_in()["accessToken"]


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    with Restored(tmp_path_factory.mktemp("restored")) as running:
        running.use()
        if os.environ.get("TEST_DATABASE_URL", "").startswith("postgres"):
            with pytest.raises(AssertionError, match="Something uses the database"):
                running.manage("restore", running.backup, "--noinput", "--pending-mail", "keep")
        running.restore()
        yield running


def test_the_data_is_that_of_the_backup(product):
    assert product.api("GET", product.path, token=product.access).json()["data"]["title"] == TITLES[0]


def test_an_access_token_from_before_is_refused(product):
    response = product.api("GET", "/users/me", token=product.tokens["accessToken"])

    assert (response.status, response.json()["error"]["code"]) == (401, "TOKEN_REVOKED")


def test_a_refresh_token_from_before_is_refused(product):
    response = product.api("POST", "/auth/refresh", {"refreshToken": product.tokens["refreshToken"]})

    assert (response.status, response.json()["error"]["code"]) == (401, "TOKEN_REVOKED")


def test_a_reset_link_from_before_is_void(product):
    body = {"token": product.reset, "password": "An0ther-battery-staple"}

    assert "invalid_token" in str(product.api("POST", "/auth/reset-password", body).json())


def test_a_verification_link_from_before_is_void(product):
    assert "invalid_token" in str(
        product.api("POST", "/auth/verify-email", {"token": product.verification}).json()
    )


@pytest.mark.parametrize("etag", ["list_before", "list_after"])
def test_no_list_from_before_is_believed(product, etag):
    held = getattr(product, etag)
    response = product.api("GET", "/resources", token=product.access, If_None_Match=held)

    assert (response.status, response.json()["data"][0]["title"]) == (200, TITLES[0])


def test_no_object_from_after_the_backup_is_believed(product):
    held = product.object_after

    assert product.api("GET", product.path, token=product.access, If_None_Match=held).status == 200


def test_a_lost_update_is_refused(product):
    body = {"title": "On top of a version that is gone"}
    response = product.api("PATCH", product.path, body, product.access, If_Match=product.object_after)

    assert response.status == 412
    product.api(
        "PATCH", product.path, {"title": TITLES[0]}, product.access
    )  # the same number of versions again
    assert (
        product.api("PATCH", product.path, body, product.access, If_Match=product.object_after).status == 412
    )
