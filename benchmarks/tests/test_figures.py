import pytest

from benchmarks.figures import RATIOS, Target, figure, ratio, verdicts
from benchmarks.tests.runs import result, run


def by_title(verdicts):
    return {verdict.title: verdict for verdict in verdicts}


def test_rounds_are_summarised_by_median_and_spread():
    summed = figure([result(100, p99=30.0), result(80, p99=10.0, status=1), result(200, p99=20.0, status=2)])

    assert (summed.rate, summed.p99, summed.errors) == (100, 20.0, 3)
    assert summed.spread == pytest.approx(1.199)


def test_a_ratio_is_of_the_medians():
    assert ratio(run().table, Target("L", "stock_drf", 3.5)) == 4


def test_304_is_compared_with_the_whole_list_of_stock_drf():
    [target] = [target for target in RATIOS if target.scenario == "L304"]

    assert ratio(run().table, target) == 10


def test_a_ratio_without_the_peer_is_none():
    assert ratio(run().table, Target("D", "stock_drf", 3.0)) is None


def test_targets_are_passed_or_missed():
    judged = by_title(verdicts(run()))

    assert (judged["L against stock DRF"].passed, judged["L against stock DRF"].measured) == (True, "4.00 ×")
    assert not judged["goal: L against stock DRF"].passed
    assert not judged["goal: L, cached against stock DRF"].passed
    assert judged["L304, cached against stock DRF (L)"].passed
    assert judged["login against bcrypt alone"].passed
    assert judged["L, p99"].passed
    assert "D, p99" not in judged


def test_one_error_misses_the_target_of_its_number_of_connections():
    judged = by_title(verdicts(run()))

    assert judged["errors at 16 connections"].passed
    assert not judged["errors at 64 connections"].passed


def test_a_storm_that_slows_other_requests_misses_the_target():
    slow = {"calm": result(100), "meanwhile": result(1), "logins": result(20)}
    slow["meanwhile"] = slow["meanwhile"].__class__(requests=1, seconds=1, p95=31.0)

    assert by_title(verdicts(run()))["L, p95 while others log in"].passed
    assert not by_title(verdicts(run(storm=slow)))["L, p95 while others log in"].passed
