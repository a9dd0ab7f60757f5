"""The dev container names services that its compose files have."""

import json
from pathlib import Path

import pytest
import yaml
from django.conf import settings

FOLDER = Path(settings.BASE_DIR) / ".devcontainer"
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="a product may have removed it")


def test_the_services_exist():
    container = json.loads((FOLDER / "devcontainer.json").read_text())
    files = [yaml.safe_load((FOLDER / name).read_text()) for name in container["dockerComposeFile"]]
    services = {name: service for file in files for name, service in file["services"].items()}

    assert {container["service"], *container["runServices"]} <= set(services)
    assert set(services[container["service"]]["depends_on"]) <= set(container["runServices"])
    assert services[container["service"]]["working_dir"] == container["workspaceFolder"]
