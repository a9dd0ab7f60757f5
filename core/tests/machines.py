"""Settings and selectors that the state machines of Hypothesis share."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition


def settings_of(examples, steps):
    """Return the settings of a machine that makes the same examples in each run.

    For other examples in each run set `derandomize=False`. A failure takes up to five minutes, in which Hypothesis
    looks for the fewest steps that fail.
    """
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=True,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


def one_of(name):
    """Draw one item of this list of the machine. The rule needs `having` the same name."""
    return st.runner().flatmap(lambda machine: st.sampled_from(getattr(machine, name)))


def having(name):
    """Run a rule only while this list of the machine has items."""
    return precondition(lambda machine: getattr(machine, name))
