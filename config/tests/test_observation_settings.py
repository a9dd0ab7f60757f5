"""Variables of traces and reports: what OpenTelemetry's libraries see, and what is refused at the start."""

import pytest

from core.tests.interpreter import django_python

pytestmark = pytest.mark.once
SHOW = """
import os
print(os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"], os.environ["OTEL_EXPORTER_OTLP_HEADERS"])
print([name for name in os.environ if name.startswith("OTEL_") and name.endswith("_FILE")])
"""


def test_endpoint_and_headers_may_be_in_files(tmp_path):
    (tmp_path / "endpoint").write_text("http://127.0.0.1:9\n")
    (tmp_path / "headers").write_text("api-key=secret\n")
    done = django_python(
        SHOW,
        OTEL_EXPORTER_OTLP_ENDPOINT_FILE=str(tmp_path / "endpoint"),
        OTEL_EXPORTER_OTLP_HEADERS_FILE=str(tmp_path / "headers"),
    )

    assert done.stdout.splitlines() == ["http://127.0.0.1:9 api-key=secret", "[]"], done.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_TRACES_EXPORTER", "console"),
        ("CLAMAV_SOCKET", "tcp://scanner:0"),
        ("OPENAI_BASE_URL", "https://user:password@host.example/v1"),
        ("OPENAI_BASE_URL", "https://host.example/v1?version=1"),
    ],
)
def test_what_cannot_work_is_refused_at_the_start(variable, value):
    done = django_python("", **{variable: value})

    assert done.returncode == 1
    assert f"  {variable} " in done.stderr


def test_a_key_of_spaces_is_none():
    code = "from django.conf import settings; print(settings.SUMMARIES)"

    assert django_python(code, OPENAI_API_KEY=" ").stdout.strip() == "None"
