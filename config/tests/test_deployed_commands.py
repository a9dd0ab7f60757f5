"""The commands in deploy/, run natively: they migrate, serve, work, are healthy and make a backup."""

import subprocess
import sys
from configparser import ConfigParser

import pytest
import yaml
from django.conf import settings
from django.db import connection

from config.tests.deployed import FOLDER, HOST, Deployment, image_health_check, parsed
from config.tests.processes import call

pytestmark = [
    pytest.mark.skipif(not FOLDER.exists(), reason="a product may have removed it"),
    pytest.mark.skipif(
        not settings.CELERY_BROKER_URL or connection.vendor != "postgresql", reason="they need the services"
    ),
]
NAMES = ("migrate", "web", "worker", "beat")


def of_compose():
    services = parsed("compose/compose.yml")["services"]
    health = {name: services[name]["healthcheck"]["test"][1:] for name in ("worker", "beat")}
    return {name: services[name]["command"] for name in NAMES}, {"web": image_health_check(), **health}


def of_kubernetes():
    commands, health = {}, {}
    for name in NAMES:
        [document, *_others] = yaml.safe_load_all(
            (FOLDER / "kubernetes" / "base" / f"{name}.yaml").read_text()
        )
        pod = document["spec"]["template"]["spec"]
        [container] = pod["containers"]
        commands[name] = container["command"]
        if name in {"worker", "beat"}:
            [waiting] = pod["initContainers"]
            health |= {name: container["livenessProbe"]["exec"]["command"], "migrated": waiting["command"]}
    return commands, health


def of_systemd():
    commands = {}
    for name in (*NAMES, "backup"):
        unit = ConfigParser(interpolation=None, delimiters=("=",))
        unit.read(FOLDER / "systemd" / f"app-{name}.service")
        commands[name] = unit["Service"]["ExecStart"]
    return commands, {}


def of_platforms():
    lines = (FOLDER / "platforms" / "Procfile").read_text().splitlines()
    commands = dict(line.split(": ", 1) for line in lines)
    return {("migrate" if name == "release" else name): command for name, command in commands.items()}, {}


WAYS = {
    "compose": of_compose,
    "kubernetes": of_kubernetes,
    "systemd": of_systemd,
    "platforms": of_platforms,
}
# The other ways have the same commands, but for web.
RUN = "compose"


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deployment")
    commands, _health = WAYS[RUN]()
    given = {"ALLOWED_HOSTS": HOST, "TRUSTED_PROXIES": "1", "SECURE_SSL_REDIRECT": "true"}
    running = Deployment(folder, commands, BACKUP_FOLDER=str(folder / "backups"), **given)
    running.read_from_files(folder / "secrets")
    with running:
        yield running


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["migrate", "worker", "beat"])
def test_each_way_has_the_commands_that_are_run_here(deployment, way, name):
    commands, _health = WAYS[way]()

    assert deployment.native(commands[name]) == deployment.native(deployment.commands[name])


@pytest.mark.parametrize("way", ["compose", "kubernetes"])
def test_the_health_checks_pass(deployment, way):
    _commands, health = WAYS[way]()

    assert health
    for command in health.values():
        deployment.wait_until_healthy(command)


@pytest.mark.parametrize("way", WAYS)
def test_web_of_each_way_passes_the_smoke_test_of_a_release(deployment, way):
    commands, _health = WAYS[way]()
    with deployment.web(commands["web"]) as url:
        command = [sys.executable, settings.BASE_DIR / ".ci" / "smoke.py", url, "--behind-tls", HOST]
        done = subprocess.run(
            [*command, "--version", settings.VERSION],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_smoke_test_fails_for_another_version(deployment):
    command = [sys.executable, settings.BASE_DIR / ".ci" / "smoke.py", deployment.url, "--behind-tls", HOST]
    done = subprocess.run([*command, "--version", "9.9.9"], capture_output=True, check=False, timeout=120)

    assert (done.returncode, b"9.9.9" in done.stdout) == (1, True)


def test_requests_arrive_as_from_a_proxy(deployment):
    assert call(f"{deployment.url}/api/v1/users/me", Host=HOST).status == 403
    assert call(f"{deployment.url}/api/v1/users/me", Host=HOST, X_Forwarded_Proto="https").status == 401


def test_a_backup_is_made_and_verified(deployment):
    commands, _health = WAYS["systemd"]()
    done = deployment.run(commands["backup"])

    assert done.returncode == 0, done.stderr
    assert list((deployment.log_path.parent / "backups").glob("*/verification.json"))
