"""deploy/compose: hardened services, secrets that are files, and nothing but the proxy in reach."""

import os
import re
import stat
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from config.tests.deployed import FOLDER, parsed, unknown
from core.tests.ports import free_port
from core.tests.waiting import wait_until
from core.web.environment import weak_secret

COMPOSE = FOLDER / "compose"
pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(not COMPOSE.exists(), reason="a product may have removed it"),
]
OURS = ("migrate", "web", "worker", "beat")
NOT_OURS = {"DOMAIN", "ACME_EMAIL"}  # of the proxy
# Made by hand: nobody can make up the password of an SMTP server.
BY_HAND = {"email_password"}


@pytest.fixture(scope="module")
def services():
    return parsed("compose/compose.yml")["services"]


@pytest.fixture
def secrets_folder(tmp_path):
    folder = tmp_path / "secrets"
    done = subprocess.run(
        [COMPOSE / "make-secrets"], env=os.environ | {"SECRETS": str(folder)}, check=True, capture_output=True
    )
    assert b"email_password" in done.stdout
    return folder


@pytest.mark.parametrize("name", OURS)
def test_the_variables_are_those_of_the_settings(services, name):
    assert unknown(services[name]["environment"]) == []


def test_each_variable_that_must_be_set_is_in_the_example():
    text = (COMPOSE / "compose.yml").read_text()
    given = re.findall(r"^([A-Z_]+)=", (COMPOSE / "env.example").read_text(), re.MULTILINE)

    assert set(re.findall(r"\$\{([A-Z_]+):\?", text)) == set(given)
    assert unknown(set(given) - NOT_OURS) == []


def test_each_service_is_hardened_and_bounded(services):
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["user"] in {"10001:10001", "postgres"}, name
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}, name


def test_each_service_that_goes_on_has_a_health_check(services):
    checked = {name for name, service in services.items() if service.get("healthcheck", {}).get("test")}

    assert checked | {"web"} == set(services) - {"migrate"}  # web: HEALTHCHECK of the image


def test_only_the_proxy_can_be_reached(services):
    assert {name for name, service in services.items() if "ports" in service} == {"proxy"}
    assert services["proxy"]["networks"] == ["edge"]
    assert parsed("compose/compose.yml")["networks"]["data"] == {"internal": True}
    assert {name for name, service in services.items() if service["networks"] == ["data"]} == {
        *("migrate", "beat", "db", "redis"),
    }


def test_no_value_in_the_files_is_a_secret(services):
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"KEY|PASSWORD|TOKEN|_URL", variable):
                assert value.startswith("/run/secrets/"), (name, variable)
                assert value.removeprefix("/run/secrets/") in service["secrets"], (name, variable)


def test_the_script_makes_each_secret_once(secrets_folder):
    declared = parsed("compose/compose.yml")["secrets"]
    made = {path.name: path.read_text().strip() for path in secrets_folder.iterdir()}
    subprocess.run([COMPOSE / "make-secrets"], env=os.environ | {"SECRETS": str(secrets_folder)}, check=True)

    assert set(made) == set(declared) - BY_HAND
    assert {path.name: path.read_text().strip() for path in secrets_folder.iterdir()} == made
    assert stat.S_IMODE(secrets_folder.stat().st_mode) == 0o700
    assert weak_secret(made["secret_key"]) is None
    assert urlsplit(made["database_url"]).password == made["postgres_password"]
    assert urlsplit(made["redis_url"]).password == made["redis_password"]
    assert all(urlsplit(made[name]).hostname in {"db", "redis"} for name in made if name.endswith("_url"))


@pytest.mark.skipif(not Path("/usr/bin/redis-server").exists(), reason="redis-server is not installed")
def test_redis_starts_with_its_password_and_its_health_check_knows_it(services, secrets_folder, tmp_path):
    redis, port = services["redis"], free_port()
    here = [argument.replace("/run/secrets", str(secrets_folder)) for argument in redis["command"]]
    [kind, check] = redis["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    check = check.replace("$$", "$").replace("/run/secrets", str(secrets_folder))
    check = check.replace("redis-cli", f"redis-cli -p {port}")

    def status(command):
        return subprocess.run(["sh", "-c", command], capture_output=True, check=False).returncode

    assert status(check) != 0
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen([*here, "--port", str(port)], cwd=tmp_path, stdout=log)
    try:
        wait_until(lambda: status(check) == 0, processes=[server], explain=(tmp_path / "log").read_text)
        assert status(f"redis-cli -p {port} -e ping") != 0  # without the password
    finally:
        server.terminate()
        server.wait(20)
