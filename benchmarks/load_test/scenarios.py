"""The scenarios of `make load`: each is a kind of virtual user."""

import random
import struct
import zlib
from typing import Any
from urllib.parse import quote, urlsplit

from locust import between, task

from benchmarks.load_test.accounts import RESOURCES, WORDS, resource
from benchmarks.load_test.client import Visitor, pieces

LIST = "/resources?limit=20"
SIDES = (320, 640, 1280)  # pixels; the noise in them does not compress


def is_resource(row: Any) -> bool:
    return pieces(
        row, "id", "userId", "title", "content", "status", "tags", "version", "createdAt", "updatedAt"
    )


def is_object(content: Any) -> bool:
    return is_resource(content["data"])


def is_page(content: Any) -> bool:
    rows = content["data"]
    return isinstance(rows, list) and content["meta"]["total"] >= len(rows) and all(map(is_resource, rows))


def is_page_with(word: str) -> Any:
    """Return a check that each row has a word that begins so. Accounts that are named may have no such row."""

    def check(content: Any) -> bool:
        texts = [f"{row['title']} {row['content']} {row['tags']}".casefold() for row in content["data"]]
        return is_page(content) and all(word in text for text in texts)

    return check


class Mixed(Visitor):
    """Users who read and write: 80 % reads."""

    wait_time = between(1, 3)
    number = 0

    @property
    def chosen(self) -> str:
        return random.choice(self.account.resources)

    @task(30)
    def read_list(self) -> None:
        self.call("GET", LIST, name="/resources", check=is_page)

    @task(25)
    def read_one(self) -> None:
        self.call("GET", f"/resources/{self.chosen}", name="/resources/{id}", check=is_object)

    @task(10)
    def search(self) -> None:
        word = random.choice(WORDS)
        path = f"/resources?search={word}"
        self.call("GET", path, name="/resources?search={word}", check=is_page_with(word))

    @task(8)
    def read_unchanged_list(self) -> None:
        self.read_unchanged(LIST, "/resources", is_page)

    @task(7)
    def read_unchanged_one(self) -> None:
        self.read_unchanged(f"/resources/{self.chosen}", "/resources/{id}", is_object)

    def read_unchanged(self, path: str, name: str, check: Any) -> None:
        """Read twice, the second time with the version of the first."""
        if self.call("GET", path, name=name, check=check):
            headers = {"If-None-Match": self.etags[path]}
            self.call("GET", path, name=f"{name} (unchanged)", expected=304, headers=headers)

    @task(10)
    def create(self) -> None:
        Mixed.number += 1
        made = self.call("POST", "/resources", expected=201, check=is_object, json=resource(Mixed.number))
        if made:
            self.account.resources.append(made["data"]["id"])

    @task(6)
    def change(self) -> None:
        path = f"/resources/{self.chosen}"
        status = random.choice(("draft", "published", "archived"))
        headers = {"If-Match": self.etags[path]} if path in self.etags else {}
        self.call(
            "PATCH",
            path,
            name="/resources/{id}",
            check=lambda content: is_object(content) and content["data"]["status"] == status,
            json={"status": status},
            headers=headers,
        )

    @task(4)
    def delete(self) -> None:
        if len(self.account.resources) <= RESOURCES // 2:
            self.create()
            return
        path = f"/resources/{self.account.resources.pop()}"
        self.etags.pop(path, None)
        self.call("DELETE", path, name="/resources/{id}", expected=204)


class Logins(Visitor):
    """A log-in storm: every log-in takes a core for a password hash."""

    wait_time = between(1, 3)

    @task
    def log_in_and_out(self) -> None:
        body = {"email": self.account.email, "password": self.account.password}
        opened = self.call(
            "POST",
            "/auth/login",
            check=lambda content: pieces(content["data"], "user", "tokens"),
            json=body,
            headers={"Authorization": ""},
        )
        if opened:
            self.take(opened["data"]["tokens"])
            email = self.account.email
            self.call("GET", "/users/me", check=lambda content: content["data"]["email"] == email)
            self.call("POST", "/auth/logout", expected=204)


class Search(Visitor):
    """Users who search: words that many resources have, that few have, that none has, and by cursor."""

    wait_time = between(0.5, 1.5)

    @task(4)
    def one_word(self) -> None:
        word = random.choice(WORDS)
        path = f"/resources?search={word[:5]}"
        self.call("GET", path, name="/resources?search={word}", check=is_page_with(word[:5]))

    @task(3)
    def two_words(self) -> None:
        index = random.randrange(len(WORDS))
        words = f"{WORDS[index]} number"
        path = f"/resources?search={quote(words)}"
        self.call("GET", path, name="/resources?search={two words}", check=is_page_with(WORDS[index]))

    @task(1)
    def no_match(self) -> None:
        path = f"/resources?search=absent{random.randrange(10**6)}"
        self.call("GET", path, name="/resources?search={absent}", check=lambda page: page["data"] == [])

    @task(2)
    def by_cursor(self) -> None:
        path, name = "/resources?search=note&limit=10&cursor=", "/resources?search={word}&cursor"
        first = self.call("GET", path, name=name, check=lambda page: pieces(page["meta"], "nextCursor"))
        if first and (cursor := first["meta"]["nextCursor"]):
            self.call(
                "GET", path + quote(cursor), name=name, check=lambda page: page["data"] != first["data"]
            )


class Uploads(Visitor):
    """Users who upload pictures, look at them and delete them."""

    wait_time = between(1, 3)

    @task
    def upload(self) -> None:
        path, name = f"/resources/{self.account.resources[0]}/attachments", "/resources/{id}/attachments"
        side = random.choice(SIDES)
        body, kind = form("picture.png", png(side))
        made = self.call(
            "POST",
            path,
            name=name,
            expected=201,
            check=lambda content: content["data"]["width"] == side,
            data=body,
            headers={"Content-Type": kind},
        )
        if made:
            self.look_at(made["data"]["thumbnailUrl"])
            self.call("DELETE", f"{path}/{made['data']['id']}", name=f"{name}/{{id}}", expected=204)

    def look_at(self, address: str) -> None:
        """Read the picture, unless it is on another server, such as a bucket: no load was confirmed for that."""
        if urlsplit(address).netloc not in {"", urlsplit(self.host or "").netloc}:
            return
        with self.client.get(
            address, name="/api/v1/files", catch_response=True, allow_redirects=False
        ) as response:
            if response.status_code == 200 and response.content:
                response.success()
            else:
                response.failure(f"{response.status_code} in place of 200 with a picture")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(side: int) -> bytes:
    """Return a square picture of grey noise."""
    rows = b"".join(b"\0" + random.randbytes(side) for _row in range(side))
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows, 1)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def form(filename: str, data: bytes) -> tuple[bytes, str]:
    """Return a body as multipart/form-data with one file, and its Content-Type."""
    boundary = f"load{random.getrandbits(96):024x}"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
    body = head.encode() + b"Content-Type: image/png\r\n\r\n" + data + f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"
