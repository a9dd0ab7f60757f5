"""deploy/platforms: the same commands as elsewhere, and variables that exist. None was tried on its platform."""

import tomllib

import pytest

from config.tests.deployed import FOLDER, parsed, unknown

PLATFORMS = FOLDER / "platforms"
pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(not PLATFORMS.exists(), reason="a product may have removed it"),
]


@pytest.fixture
def procfile():
    """Return the commands of Heroku's file, which test_deployed_commands.py runs."""
    lines = (PLATFORMS / "Procfile").read_text().splitlines()
    return {
        name: command.replace("$PORT", "8000") for name, command in (line.split(": ", 1) for line in lines)
    }


def test_fly_runs_the_same_commands_with_variables_that_exist(procfile):
    fly = tomllib.loads((PLATFORMS / "fly.toml").read_text())
    [check] = fly["http_service"]["checks"]

    assert {"release": fly["deploy"]["release_command"], **fly["processes"]} == procfile
    assert unknown(fly["env"]) == []
    assert check["headers"]["Host"] in fly["env"]["ALLOWED_HOSTS"].split(",")
    assert {name for vm in fly["vm"] for name in vm["processes"]} == set(fly["processes"])


def test_render_runs_the_same_commands_with_variables_that_exist(procfile):
    render = parsed("platforms/render.yaml")
    services = {service["name"].removeprefix("app-"): service for service in render["services"]}
    [group] = render["envVarGroups"]
    given = [*group["envVars"], *(item for item in services["web"]["envVars"] if "key" in item)]

    assert unknown(item["key"] for item in given) == []
    assert services["web"]["preDeployCommand"] == procfile["release"]
    for name in ("web", "worker", "beat"):
        assert services[name]["dockerCommand"] == procfile[name]
        assert services[name]["envVars"] == services["web"]["envVars"]
