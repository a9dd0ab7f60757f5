"""Both storages, as fixtures: a folder of the test, and a bucket in a server that speaks the API of S3."""

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from types import SimpleNamespace

import boto3
import pytest
from django.test import Client

from core.files import services as files
from core.tests.ports import free_port
from core.tests.waiting import wait_until

KEY = {"aws_access_key_id": "tests", "aws_secret_access_key": "tests-secret"}


@pytest.fixture
def disk(settings, tmp_path):
    """Store files in an empty folder, `disk.folder`."""
    folder = tmp_path / "media"
    backend = {"BACKEND": "core.files.storages.disk.DiskStorage", "OPTIONS": {"location": str(folder)}}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    return SimpleNamespace(folder=folder, names=lambda: sorted(files.storage.keys()), fetch=fetch_from_us)


@pytest.fixture(scope="session")
def s3_server():
    """Start a local S3 server; return its URL."""
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"]},
    )
    wait_until(lambda: socket.create_connection(("127.0.0.1", port), timeout=1), processes=[server]).close()
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait(10)


@pytest.fixture
def bucket(settings, s3_server):
    """Store files in an empty bucket."""
    client = boto3.client("s3", endpoint_url=s3_server, region_name="us-east-1", **KEY)
    client.create_bucket(Bucket="app")
    settings.STORAGES = {**settings.STORAGES, "default": bucket_at(s3_server)}
    yield SimpleNamespace(
        client=client, names=lambda: sorted(files.storage.keys()), fetch=fetch_from_anywhere
    )
    for item in client.list_objects_v2(Bucket="app").get("Contents", ()):
        client.delete_object(Bucket="app", Key=item["Key"])
    client.delete_bucket(Bucket="app")
    client.close()


def bucket_at(endpoint, **more):
    options = {
        **more,
        "bucket_name": "app",
        "region_name": "us-east-1",
        "endpoint_url": endpoint,
        "access_key": KEY["aws_access_key_id"],
        "secret_key": KEY["aws_secret_access_key"],
    }
    return {"BACKEND": "core.files.storages.bucket.BucketStorage", "OPTIONS": options}


@pytest.fixture(params=["disk", "bucket"])
def storage(request):
    """Run the test with each storage, one after the other."""
    return request.getfixturevalue(request.param)


def fetch_from_us(url, **headers):
    """Get (status, headers, body) without a token, as a browser does."""
    response = Client().get(url, headers=headers)
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return response.status_code, response.headers, body


def fetch_from_anywhere(url, **headers):
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()
