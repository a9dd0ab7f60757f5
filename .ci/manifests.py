"""Render deploy/kubernetes, each overlay, and validate the objects against the schemas of Kubernetes.

Rendering needs kubectl 1.27 or newer. Where there is none, this prints so and passes: no package of PyPI has one.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import yaml

ROOT = Path(__file__).resolve().parent.parent
OVERLAYS = sorted((ROOT / "deploy" / "kubernetes" / "overlays").glob("*"))
API_VERSION = "1.32"  # of the schemas
MIN_MINOR = 27  # whose kustomize reads `labels`, `patches` and folders as `resources`


def kubectl() -> str | None:
    """Return a kubectl that is new enough: that of PATH, or the one unpacked by `make kubectl-env`."""
    for program in ("kubectl", str(ROOT / ".venv-kubectl" / "usr" / "bin" / "kubectl")):
        if not shutil.which(program):
            continue
        done = subprocess.run(
            [program, "version", "--client", "--output=json"], capture_output=True, check=False
        )
        if done.returncode == 0 and minor_of(json.loads(done.stdout)) >= MIN_MINOR:
            return program
    return None


def minor_of(version: dict[str, dict[str, str]]) -> int:
    return int(version["clientVersion"]["minor"].split("+")[0].split("-")[0])


def rendered(program: str, overlay: Path) -> list[dict[str, object]]:
    done = subprocess.run([program, "kustomize", overlay], capture_output=True, text=True, check=False)
    if done.returncode or done.stderr:  # warnings name what a later version refuses
        sys.exit(f"{overlay.relative_to(ROOT)}: {done.stderr}")
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def main() -> int:
    program = kubectl()
    if program is None:
        print(f"KUBERNETES NOT CHECKED: kubectl 1.{MIN_MINOR} or newer is missing; install kubectl")
        return 0
    for overlay in OVERLAYS:
        documents = rendered(program, overlay)
        for document in documents:
            try:
                kubernetes_validate.validate(document, API_VERSION, strict=True)
            except kubernetes_validate.ValidationError as error:
                print(f"{overlay.name}: {document['kind']}: {error.message} at {list(error.absolute_path)}")
                return 1
        print(f"{overlay.name}: {len(documents)} objects are valid for Kubernetes {API_VERSION}")
    return 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
