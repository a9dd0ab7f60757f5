"""A Prometheus server with the rules of deploy/prometheus, at the pace of a test."""

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from django.conf import settings

from core.tests.ports import free_port
from core.tests.waiting import wait_until

ROOT = Path(settings.BASE_DIR)
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
WAITS = re.compile(r"^( +(?:for|interval): ).*$", re.MULTILINE)
CONFIGURATION = """
global: {{scrape_interval: 1s, evaluation_interval: 1s, scrape_timeout: 1s}}
rule_files: [alerts.yml]
scrape_configs:
  - job_name: web
    authorization: {{credentials: {token}}}
    static_configs: [{{targets: ["127.0.0.1:{web}"]}}]
  - job_name: worker
    authorization: {{credentials: {token}}}
    static_configs: [{{targets: ["127.0.0.1:{worker}"]}}]
"""


def program() -> str | None:
    """Return the server that `make prometheus-env` has unpacked, or that of this machine; None without one."""
    return shutil.which("prometheus", path=f"{ROOT / '.venv-prometheus/usr/bin'}:/usr/bin:/usr/local/bin")


class Monitor:
    """Scrapes both ports each second, and evaluates the rules without their `for`. Use as a context manager."""

    def __init__(self, folder: Path, web: int, worker: int, token: str) -> None:
        self.folder, self.url = folder, f"http://127.0.0.1:{free_port()}"
        folder.joinpath("alerts.yml").write_text(WAITS.sub(r"\g<1>1s", RULES.read_text()))
        folder.joinpath("prometheus.yml").write_text(
            CONFIGURATION.format(web=web, worker=worker, token=token)
        )

    def __enter__(self) -> "Monitor":
        self.log = self.folder.joinpath("prometheus.log").open("wb")
        command = [str(program()), f"--config.file={self.folder / 'prometheus.yml'}"]
        command += [f"--storage.tsdb.path={self.folder / 'data'}"]
        command += [f"--web.listen-address={self.url.removeprefix('http://')}"]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        wait_until(lambda: self.query("vector(1)"), processes=[self.process], explain=self.printed)
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.terminate()
        self.process.wait(30)
        self.log.close()

    def printed(self) -> str:
        return self.folder.joinpath("prometheus.log").read_text()[-3000:]

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}", timeout=10) as response:
            return json.load(response)["data"]

    def query(self, expression: str) -> list[Any]:
        """Return the series of an expression. An expression that is not valid raises HTTPError."""
        rows: list[Any] = self.get(f"query?{urllib.parse.urlencode({'query': expression})}")["result"]
        return rows

    def firing(self) -> set[str]:
        alerts = self.get("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def wait_for(self, *alerts: str) -> None:
        """Wait until all of them fire."""
        wait_until(
            lambda: set(alerts) <= self.firing(),
            120,
            explain=lambda: f"firing: {sorted(self.firing())}, not {alerts}\n{self.printed()}",
        )
