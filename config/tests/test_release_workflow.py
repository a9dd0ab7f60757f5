"""The workflows of a release call what is there, with actions of a version, and production needs an approval."""

import re
import subprocess

import pytest
import yaml
from django.conf import settings

FOLDER = settings.BASE_DIR / ".github" / "workflows"
pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(not (FOLDER / "release.yml").exists(), reason="a product may have removed it"),
]
VERSION = re.compile(r"[\w.-]+/[\w./-]+@(v\d+(\.\d+)*|[0-9a-f]{40})")
IMAGE = "registry.example.com/acme/billing@sha256:0123"


def workflow(name):
    return yaml.safe_load((FOLDER / f"{name}.yml").read_text())


def steps(name):
    return [step for job in workflow(name)["jobs"].values() for step in job.get("steps", [])]


@pytest.mark.parametrize("name", ["release", "deploy"])
def test_actions_have_a_version_and_workflows_are_here(name):
    used = [step["uses"] for step in steps(name) if "uses" in step]
    called = [job["uses"] for job in workflow(name)["jobs"].values() if "uses" in job]

    assert [action for action in used if not VERSION.fullmatch(action)] == []
    assert [path for path in called if not (settings.BASE_DIR / path).exists()] == []


@pytest.mark.parametrize("name", ["release", "deploy"])
def test_what_a_step_runs_is_here(name):
    commands = "\n".join(step["run"] for step in steps(name) if "run" in step)
    targets = re.findall(r"^([a-z-]+):", (settings.BASE_DIR / "Makefile").read_text(), re.MULTILINE)

    assert set(re.findall(r"\bmake ([a-z-]+)", commands)) <= set(targets)
    for path in re.findall(r"(?<=[ \"])\.ci/[\w.]+", commands):
        assert (settings.BASE_DIR / path).exists()


def test_production_follows_staging_and_both_are_environments():
    jobs = workflow("release")["jobs"]

    assert "staging" in jobs["production"]["needs"]
    assert jobs["build"]["needs"] == "test"
    for name in ("staging", "production"):
        assert jobs[name]["with"]["environment"] == name
        assert (settings.BASE_DIR / "deploy" / "kubernetes" / "overlays" / name).is_dir()
    assert workflow("deploy")["jobs"]["deploy"]["environment"]["name"] == "${{ inputs.environment }}"


def test_no_input_is_pasted_into_a_shell():
    """An expression in `run` is replaced before the shell reads it: a tag could hold commands."""
    pasted = [
        step["run"] for name in ("release", "deploy") for step in steps(name) if "${{" in step.get("run", "")
    ]

    assert pasted == []


def test_each_image_of_the_overlays_is_replaced_by_the_one_that_was_signed():
    [command] = [step["run"] for step in steps("deploy") if step.get("id") == "apply"]
    [expression] = re.findall(r'sed -E "(.*?)"', command)
    objects = (
        "        image: registry.example.com/app:0.1.0\n"
        "        image: registry.example.com/acme/app@sha256:9\n"
        "    app: image\n"
    )
    done = subprocess.run(
        ["sh", "-c", f'sed -E "{expression}"'],
        input=objects,
        env={"IMAGE": IMAGE, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == f"        image: {IMAGE}\n" * 2 + "    app: image\n"
