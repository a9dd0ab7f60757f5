import pytest

from benchmarks.client import Unexpected
from benchmarks.memory import Sample, growth, judge


def samples(*megabytes):
    return [Sample(number * 10_000, {1: size}) for number, size in enumerate(megabytes)]


def test_growth_during_the_warm_up_does_not_count():
    assert growth(samples(60, 80, 100, 120, 120, 120, 120, 120, 120, 120, 120), 1) == pytest.approx(0)


def test_a_leak_misses_the_target():
    leaking = samples(*(100 + number for number in range(11)))

    assert growth(leaking, 1) == pytest.approx(10)
    assert not judge(leaking)


def test_small_and_flat_passes():
    assert judge(samples(*[120.0] * 11))


def test_flat_but_large_misses():
    assert not judge(samples(*[151.0] * 11))


def test_two_samples_are_too_few():
    with pytest.raises(Unexpected, match="more --requests"):
        growth(samples(100, 100), 1)
