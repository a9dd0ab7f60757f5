"""Break a copy of the project on purpose, one rule at a time, and require that its tests fail: `make mutants`.

Runs under .ci/services.py: some breakages show on PostgreSQL alone. `mutants.py NAME…` tries only these. Prints a
table, and fails if the tests of an unbroken copy do not pass, a breakage no longer fits the code, or the tests pass
with it.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from adopt import copy_tree

SECONDS = 300  # of the tests of one breakage
FAILED_TESTS = 1  # the exit status of pytest


@dataclass(frozen=True)
class Mutant:
    """A breakage: in `file` the text `old`, which is there once, becomes `new`. `tests` must notice it."""

    name: str
    file: str
    old: str
    new: str
    tests: str


MUTANTS = (
    Mutant(
        "rows are not locked",
        "core/api/viewsets.py",
        '.select_for_update(of=("self",))',
        "",
        "resources/tests/test_races.py",
    ),
    Mutant(
        "X-Forwarded-For is trusted without a proxy",
        "core/web/client_address.py",
        "    proxies = settings.TRUSTED_PROXIES\n    if not proxies:",
        "    proxies = settings.TRUSTED_PROXIES or 1\n    if not proxies:",
        "core/web/tests/test_network.py core/web/tests/test_middleware.py",
    ),
    Mutant(
        "workers are woken before the commit",
        "core/outbox/services.py",
        "    transaction.on_commit(wake_up)",
        "    wake_up()",
        "core/outbox/tests",
    ),
    Mutant(
        "an unknown address costs no hash",
        "accounts/services/passwords.py",
        "            make_password(password)\n        elif",
        "            pass\n        elif",
        "accounts/tests/test_login.py",
    ),
    Mutant(
        "single rows are not limited to visible ones",
        "core/api/row_access.py",
        "rows = rows.visible_to(self.request.user)",
        "rows = rows.all()",
        "resources/tests/test_ownership.py",
    ),
    Mutant(
        "a refresh token is an access token too",
        "accounts/tokens.py",
        "    if claims.kind != kind:",
        "    if not claims.kind:",
        "accounts/tests/test_tokens.py",
    ),
    Mutant(
        "a rotation is no condition of its UPDATE",
        "accounts/services/sessions.py",
        "filter(pk=session.pk, refresh_hash=token.digest, ended_at=None).update(",
        "filter(pk=session.pk, ended_at=None).update(",
        "accounts/tests/test_races.py accounts/tests/test_refresh.py",
    ),
    Mutant(
        "a spent refresh token is good for ever",
        "accounts/services/sessions.py",
        "            and timezone.now() - session.rotated_at <= settings.REFRESH_GRACE",
        "            and timezone.now() >= session.rotated_at",
        "accounts/tests/test_refresh.py",
    ),
    Mutant(
        "refresh tokens are stored readable",
        "accounts/services/sessions.py",
        "        refresh_hash=tokens.digest(jti),\n        user_agent",
        "        refresh_hash=jti,\n        user_agent",
        "accounts/tests/test_refresh.py accounts/tests/test_secrets_at_rest.py",
    ),
    Mutant(
        "the reach of a role is no part of a statement's key",
        "core/api/fast_reads.py",
        "key = (type(view), view.action, *view.reach(), tuple(order), names, tuple(filters), first)",
        "key = (type(view), view.action, tuple(order), names, tuple(filters), first)",
        "config/tests/test_fast_reads_never_lie.py resources/tests/test_compiled_reads.py",
    ),
    Mutant(
        "a read with a hook of the author's is compiled",
        "core/api/read_eligibility.py",
        "    if (hook := override_of(view_class, allowed=WRITE_HOOKS)) is not None:",
        "    if (hook := override_of(view_class, among=WRITE_HOOKS)) is not None:",
        "config/tests/test_fast_reads_never_lie.py config/tests/test_odd_views.py",
    ),
    Mutant(
        "an ETag is the number of the version",
        "core/db/base.py",
        "-{microseconds:x}",
        "-{microseconds * 0:x}",
        "resources/tests/test_restores.py",
    ),
    Mutant(
        "a relation may lead to hidden rows",
        "core/api/serializers.py",
        "        refuse_hidden(self, values)\n        return values",
        "        return values",
        "config/tests/test_declared_relations.py core/api/tests/test_serializers.py",
    ),
    Mutant(
        "a row may be written into another's ownership",
        "core/api/row_access.py",
        "        if (moved or override_of(type(self), among=SAVING_HOOKS)) and not may_write(",
        "        if (not moved and override_of(type(self), among=SAVING_HOOKS)) and not may_write(",
        "config/tests/test_declared_access.py config/tests/test_odd_viewsets.py",
    ),
    Mutant(
        "a stale If-Match is ignored",
        "core/api/etags.py",
        "    if not matches(header, instance.etag):",
        "    if not matches(header, header):",
        "resources/tests/test_conditional_requests.py",
    ),
    Mutant(
        "a limit lets one more through",
        "core/db/counters.py",
        "return Decision(requests <= limit,",
        "return Decision(requests <= limit + 1,",
        "core/api/tests/test_throttling.py",
    ),
    Mutant(
        "a stored response belongs to any request of its key",
        "core/api/idempotency.py",
        "    if stored.fingerprint != seal.fingerprint:",
        "    if not stored.fingerprint:",
        "resources/tests/test_idempotency.py",
    ),
    Mutant(
        "a claim waits for locked rows",
        "core/db/leases.py",
        "skip_locked=True",
        "skip_locked=False",
        "core/jobs/tests/test_leases.py core/outbox/tests core/jobs/tests/test_jobs.py",
    ),
    Mutant(
        "a lost lease still writes",
        "core/db/leases.py",
        "filter(pk=self.row.pk, lease_id=self.row.lease_id, finished_at=None)",
        "filter(pk=self.row.pk)",
        "core/jobs/tests/test_leases.py core/outbox/tests/test_outbox_failures.py",
    ),
    Mutant(
        "a reset ends no session",
        "accounts/services/passwords.py",
        '    user.sessions.end("password_reset")',
        "    user.sessions.live()",
        "accounts/tests/test_reset_password.py",
    ),
)


def run_tests(folder: Path, tests: Iterable[str]) -> int:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "--create-db",
        "-p",
        "no:xdist",
        "-p",
        "no:cacheprovider",
    ]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    with (folder / "var" / "mutant.log").open("w") as log:
        done = subprocess.run(
            [*command, *tests],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            timeout=SECONDS,
            check=False,
        )
    return done.returncode


def survives(mutant: Mutant, folder: Path) -> str:
    """Return what is wrong: the tests pass, or cannot be run; "" where they fail."""
    path = folder / mutant.file
    original = path.read_text()
    if original.count(mutant.old) != 1:
        return f"{mutant.file} has its text {original.count(mutant.old)} times"
    path.write_text(original.replace(mutant.old, mutant.new))
    try:
        status = run_tests(folder, mutant.tests.split())
    except subprocess.TimeoutExpired:
        return f"the tests took more than {SECONDS} s"
    finally:
        path.write_text(original)
    return {0: "SURVIVED", FAILED_TESTS: ""}.get(status, f"pytest ended with {status}")


def main(names: list[str]) -> int:
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    if unknown := set(names) - {mutant.name for mutant in MUTANTS}:
        sys.exit(f"mutants: there is no {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        folder = Path(name)
        copy_tree(folder)
        whole = sorted({test for mutant in chosen for test in mutant.tests.split()})
        if run_tests(folder, whole) != 0:
            sys.exit(
                f"mutants: the tests fail without any\n{(folder / 'var' / 'mutant.log').read_text()[-3000:]}"
            )
        print("| breakage | tests fail | seconds |\n| --- | --- | ---: |", flush=True)
        failures = 0
        for mutant in chosen:
            began = time.monotonic()
            problem = survives(mutant, folder)
            failures += bool(problem)
            print(f"| {mutant.name} | {problem or 'yes'} | {time.monotonic() - began:.0f} |", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
