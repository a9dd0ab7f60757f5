"""The steps by which a key is replaced. Whether servers understand each other: resources/tests/test_key_rotation.py."""

import pytest
from django.core.management import CommandError, call_command

from core.web.environment import weak_secret

OLD, NEW = "old-" + "0a1b2c3d4e5f6g7h" * 4, "new-" + "0a1b2c3d4e5f6g7h" * 4


@pytest.fixture
def step(settings, capsys):
    """Run a step with the variables of a deployment, and put its result into them."""
    settings.SECRET_KEY = settings.JWT_SIGNING_KEY = OLD
    settings.SECRET_KEY_FALLBACKS = []

    def run(*arguments):
        call_command("rotate_keys", *arguments)
        printed = dict(line.split("=", 1) for line in capsys.readouterr().out.splitlines())
        for name, value in printed.items():
            is_list = name in {"SECRET_KEY_FALLBACKS", "JWT_VERIFYING_KEYS"}
            setattr(settings, name, [value] * bool(value) if is_list else value)
        return printed

    return run


def test_three_steps_replace_the_key(step):
    first = step("1")
    new = first["SECRET_KEY_FALLBACKS"]

    assert first == {"SECRET_KEY": OLD, "SECRET_KEY_FALLBACKS": new}
    assert weak_secret(new) is None
    assert step("2") == {"SECRET_KEY": new, "SECRET_KEY_FALLBACKS": OLD}
    assert step("3") == {"SECRET_KEY": new, "SECRET_KEY_FALLBACKS": ""}


def test_a_leaked_key_is_not_kept(step):
    step("1")
    after = step("leaked")

    assert after["SECRET_KEY"] != OLD
    assert after["SECRET_KEY_FALLBACKS"] == ""


def test_a_key_of_its_own_for_tokens_is_replaced_alone(step, settings):
    settings.JWT_SIGNING_KEY, settings.JWT_VERIFYING_KEYS = NEW, []

    assert step("1", "--jwt")["JWT_SIGNING_KEY"] == NEW


@pytest.mark.parametrize(
    ("arguments", "fallbacks", "reason"),
    [
        (["1"], [NEW], "SECRET_KEY_FALLBACKS is set"),
        (["2"], [], "must hold one key"),
        (["3"], [NEW, NEW[::-1]], "must hold one key for this step, but holds 2"),
        (["1", "--jwt"], [], "JWT_SIGNING_KEY is not set"),
    ],
)
def test_a_step_out_of_turn_is_refused(step, settings, arguments, fallbacks, reason):
    settings.SECRET_KEY_FALLBACKS = fallbacks

    with pytest.raises(CommandError, match=reason):
        step(*arguments)
