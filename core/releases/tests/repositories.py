"""A small project with releases, and copies of it, as real git repositories."""

import json
import os
import subprocess
from pathlib import Path

from core.releases.manifest import ADVISORIES, manifest_of, path_of

SETTINGS = "\n".join(f"SETTING_{number} = {number}" for number in range(20)) + "\n"
MODEL = "\n".join(f"    column_{number} = Column({number})" for number in range(12)) + "\n"
FIRST = {
    "config/settings.py": SETTINGS,
    "config/urls.py": "urlpatterns = [\n    1,\n]\n",
    "requirements/base.in": "django\n\nredis\n",
    "requirements/base.txt": "django==5.2.1\n# sources: 1\n",
    "core/server.py": "def serve():\n    return 1\n",
    "core/retired.py": "def retired():\n    return 1\n",
    "accounts/models.py": f"class User:\n{MODEL}",
    "accounts/migrations/0001_initial.py": "dependencies = []\n",
    "example/models.py": f"class Example:\n{MODEL}",
    "example/views.py": f"class ExampleView:\n{MODEL}",
    "docs/guide.md": "# Guide\n\nText.\n",
    ".gitignore": "/var/\n",
}
ADVISORY = {
    "id": "A-1",
    "severity": "high",
    "versions": ["0.1.0"],
    "fixed_in": "0.2.0",
    "files": ["core/server.py", "config/settings.py"],
    "text": "A server may be stopped by anybody.",
}


class Repository:
    """A git repository in a folder."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def git(self, *arguments):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        done = subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def begin(self):
        self.folder.mkdir(exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")
        return self.identified()

    def identified(self):
        self.git("config", "user.name", "Ann Adopter")
        self.git("config", "user.email", "ann@example.com")
        self.git("config", "commit.gpgsign", "false")
        return self

    def write(self, files):
        """Write these files; None removes one."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_text(text)

    def commit(self, files, message="Change"):
        self.write(files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def read(self, name):
        return (self.folder / name).read_text()

    def has(self, name):
        return (self.folder / name).exists()

    def edit(self, name, old, new):
        text = self.read(name)
        assert text.count(old) == 1
        return {name: text.replace(old, new)}

    def record(self, version, product="Groundwork", advisories=()):
        """Return the files of docs/releases, as `make release` writes them."""
        names = self.git("ls-files").splitlines()
        manifest = manifest_of(product, version, self.folder, names)
        listed = {"product": "Groundwork", "advisories": list(advisories)}
        return {path_of(version): json.dumps(manifest), ADVISORIES: json.dumps(listed)}

    def release(self, version, files=None, advisories=()):
        self.commit(files or {}, f"Prepare {version}")
        self.commit(self.record(version, advisories=advisories), f"Release {version}")
        self.git("tag", f"v{version}")

    def clone(self, folder):
        """Return a clone, with the remote `upstream`."""
        self.git("clone", "--quiet", "--origin", "upstream", str(self.folder), str(folder))
        return Repository(folder).identified()

    def copy(self, folder):
        """Return a copy without the history, as from a template."""
        copied = self.clone(folder)
        copied.git("checkout", "--quiet", "--orphan", "fresh")
        copied.git("commit", "--quiet", "--message", "Begin")
        copied.git("branch", "--quiet", "--delete", "--force", "main")
        copied.git("branch", "--move", "main")
        for tag in copied.git("tag").split():
            copied.git("tag", "--delete", tag)
        return copied
