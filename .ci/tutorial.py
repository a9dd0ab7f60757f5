"""Run the blocks of docs/tutorial.md in a copy of the working tree, as its reader does (`make test-proxy`).

The `sh` blocks run in one shell after another, each with the variables that the former has exported; git applies the
`diff`. A block that begins with `# second terminal` (or third) goes on while the next ones run, until the next of that
name. Ports are replaced by free ones.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from adopt import ROOT, copy_tree

sys.path.insert(0, str(ROOT))

from core.tests.ports import free_port

BLOCK = re.compile(r"^```(sh|diff)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TERMINAL = re.compile(r"# (\w+) terminal\n")
STEP_SECONDS = 300
STOP_SECONDS = 60
PASSED_ON = {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "CI", "PIP_INDEX_URL", "SSL_CERT_FILE"}
AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Reader"), ("EMAIL", "reader@localhost"))
}


class Reader:
    """A person with some terminals. Use as a context manager, which ends what still runs."""

    def __init__(self, folder: Path, ports: dict[str, int]) -> None:
        self.folder, self.ports = folder, ports
        self.environment = {name: value for name, value in os.environ.items() if name in PASSED_ON} | AUTHOR
        self.environment["PATH"] += os.pathsep + "/usr/sbin"
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_exception: object) -> None:
        for name in [*self.running]:
            self.end(name)

    def end(self, terminal: str) -> None:
        """End what runs there. Not by SIGINT, as Ctrl-C does: programs of a background job ignore it."""
        process = self.running.pop(terminal)
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise

    def follow(self, kind: str, text: str) -> None:
        for written, port in self.ports.items():
            text = text.replace(written, str(port))
        if kind == "diff":
            subprocess.run(["git", "apply"], cwd=self.folder, input=text, text=True, check=True)
        elif terminal := TERMINAL.match(text):
            self.go_on(terminal[1], text)
        else:
            self.run(text)

    def go_on(self, terminal: str, text: str) -> None:
        if terminal in self.running:
            self.end(terminal)
        environment = self.environment | {"PORT": str(self.ports["8000"])}
        process = subprocess.Popen(
            ["bash", "-ec", text], cwd=self.folder, env=environment, start_new_session=True
        )
        self.running[terminal] = process
        wait_for(self.ports["8443" if "nginx" in text else "8000"], process)

    def run(self, text: str) -> None:
        """Run a block, and keep the variables that it has exported."""
        with tempfile.NamedTemporaryFile() as variables:
            after = f"\nenv -0 > {variables.name}"
            subprocess.run(
                ["bash", "-euo", "pipefail", "-c", text + after],
                cwd=self.folder,
                env=self.environment,
                timeout=STEP_SECONDS,
                check=True,
            )
            pairs = (line.partition("=") for line in Path(variables.name).read_text().split("\0") if line)
            self.environment = {name: value for name, _, value in pairs}


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + STEP_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def main() -> int:
    page = (ROOT / "docs" / "tutorial.md").read_text()
    with tempfile.TemporaryDirectory(prefix="tutorial-") as name:
        folder = Path(name)
        copy_tree(folder)
        (folder / ".venv").symlink_to(ROOT / ".venv")
        for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "Release"]):
            subprocess.run(["git", *command], cwd=folder, env=os.environ | AUTHOR, check=True)
        with Reader(folder, {"8000": free_port(), "8443": free_port()}) as reader:
            for kind, text in BLOCK.findall(re.sub(r"^git clone .*\n", "", page, flags=re.MULTILINE)):
                print(f"tutorial: {text.strip().splitlines()[0]} …", flush=True)
                reader.follow(kind, text)
    print("tutorial: every block works")
    return 0


if __name__ == "__main__":
    sys.exit(main())
