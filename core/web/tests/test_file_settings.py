"""The place of files, from the environment."""

import pytest

from core.web.tests.test_environment import start

pytestmark = pytest.mark.once

S3 = {"S3_BUCKET": "app", "S3_ACCESS_KEY_ID": "key", "S3_SECRET_ACCESS_KEY": "secret"}


def test_a_bucket_and_its_keys_are_enough():
    assert start(**S3) == ""


def test_a_bucket_may_leave_its_keys_to_the_machine():
    assert start(S3_BUCKET="app") == ""


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"S3_SECRET_ACCESS_KEY": ""}, "S3_SECRET_ACCESS_KEY is not set, but its other half is"),
        ({"S3_ACCESS_KEY_ID": ""}, "S3_ACCESS_KEY_ID is not set, but its other half is"),
        ({"S3_ENDPOINT_URL": "s3.example.com"}, "S3_ENDPOINT_URL must look like"),
        ({"UPLOAD_QUOTA_MB": "0"}, "UPLOAD_QUOTA_MB "),
        ({"UPLOAD_QUOTA_MB": "much"}, "UPLOAD_QUOTA_MB "),
        ({"API_URL": "api.example.com"}, "API_URL must look like"),
    ],
)
def test_what_cannot_be_meant_stops_the_start(wrong, named):
    assert named in start(**{**S3, **wrong})
