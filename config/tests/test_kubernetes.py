"""deploy/kubernetes: pods without privileges, probes on paths that exist, secrets that are not shipped."""

import re

import pytest
import yaml
from django.conf import settings
from django.urls import resolve

from config.tests.deployed import FOLDER, unknown
from core.web.management.commands.serve import DRAIN_SECONDS

KUBERNETES = FOLDER / "kubernetes"
pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(not KUBERNETES.exists(), reason="a product may have removed it"),
]
FILES = sorted((KUBERNETES / "base").glob("*.yaml"))
OVERLAYS = sorted(path.name for path in (KUBERNETES / "overlays").glob("*"))
OBJECTS = {
    (document["kind"], document["metadata"]["name"]): document
    for path in FILES
    if path.name != "kustomization.yaml"
    for document in yaml.safe_load_all(path.read_text())
}
PODS = {
    name: one["spec"]["template"]["spec"]
    for (kind, name), one in OBJECTS.items()
    if kind in {"Deployment", "Job"}
}
EVERY_POD = pytest.mark.parametrize("pod", PODS.values(), ids=PODS)


def variables(path):
    return dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", path.read_text(), re.MULTILINE))


@EVERY_POD
def test_a_pod_has_no_privileges_and_cannot_be_written(pod):
    context = pod["securityContext"]

    assert (context["runAsNonRoot"], context["runAsUser"]) == (True, 10001)
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} == set(container["resources"]["requests"])
        assert container["resources"]["limits"]["memory"]


@EVERY_POD
def test_secrets_are_files_of_a_secret_that_is_not_here(pod):
    [volume] = [volume for volume in pod["volumes"] if volume["name"] == "secrets"]

    assert volume["secret"]["secretName"] == "app"
    assert not any("env" in container for container in pod["containers"])
    assert "Secret" not in {kind for kind, _name in OBJECTS}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_variables_are_those_of_the_settings(overlay):
    given = variables(KUBERNETES / "base" / "app.env") | variables(
        KUBERNETES / "overlays" / overlay / "app.env"
    )

    assert unknown(given) == []
    assert [
        name
        for name in given
        if re.search(r"KEY|PASSWORD|TOKEN|DATABASE|REDIS|BROKER", name)
        and not given[name].startswith("/run/secrets/app/")
    ] == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_probes_request_served_paths_by_an_allowed_host(overlay):
    allowed = variables(KUBERNETES / "overlays" / overlay / "app.env")["ALLOWED_HOSTS"].split(",")
    [web] = PODS["app-web"]["containers"]
    requests = {name: web[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}

    assert {resolve(request["path"]).route for request in requests.values()} == {
        "health/live",
        "health/ready",
    }
    assert requests["readinessProbe"]["path"] == "/health/ready"  # a restart cures no database
    for request in requests.values():
        [header] = request["httpHeaders"]
        assert (header["name"], header["value"] in allowed) == ("Host", True)


def test_a_pod_of_web_may_stop_for_as_long_as_its_server_does():
    pod = PODS["app-web"]
    [web] = pod["containers"]
    drain = int(web["command"][web["command"].index("--drain") + 1])
    [readiness] = [web["readinessProbe"]]

    assert pod["terminationGracePeriodSeconds"] > drain + DRAIN_SECONDS
    assert drain >= readiness["periodSeconds"] * readiness["failureThreshold"]
    assert PODS["app-worker"]["terminationGracePeriodSeconds"] > settings.CELERY_TASK_TIME_LIMIT


def test_there_is_one_beat():
    spec = OBJECTS["Deployment", "app-beat"]["spec"]

    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_nothing_but_web_receives_connections():
    policies = {name: one["spec"] for (kind, name), one in OBJECTS.items() if kind == "NetworkPolicy"}

    assert policies["app"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policies["app"]
    assert set(policies) == {"app", "app-web"}
    assert policies["app-web"]["podSelector"]["matchLabels"] == {"app.kubernetes.io/component": "web"}


def test_the_ingress_lets_a_file_pass():
    annotations = OBJECTS["Ingress", "app-web"]["metadata"]["annotations"]

    assert (
        int(annotations["nginx.ingress.kubernetes.io/proxy-body-size"].removesuffix("m"))
        > settings.MAX_UPLOAD_MB
    )
