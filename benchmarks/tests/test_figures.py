import pytest

from benchmarks.figures import RATIOS, Target, figure, ratio, verdicts
from benchmarks.tests.runs import result, run


def judged(verdict_list):
    return {verdict.what: verdict for verdict in verdict_list}


def test_rounds_are_summed_up_by_their_median_and_spread():
    summed = figure([result(100, p99=30.0), result(80, p99=10.0, status=1), result(200, p99=20.0, status=2)])

    assert (summed.rate, summed.p99, summed.errors) == (100, 20.0, 3)
    assert summed.spread == pytest.approx(1.2)


def test_a_ratio_is_of_the_medians():
    assert ratio(run().table, Target("L", "stock_drf", 3.5)) == 4


def test_304_is_compared_with_the_whole_list_of_stock_drf():
    [target] = [target for target in RATIOS if target.scenario == "L304"]

    assert ratio(run().table, target) == 10


def test_a_ratio_with_somebody_who_did_not_run_is_none():
    assert ratio(run().table, Target("D", "stock_drf", 3.0)) is None


def test_targets_are_passed_or_missed():
    by_name = judged(verdicts(run()))

    assert (by_name["L against stock DRF"].passed, by_name["L against stock DRF"].got) == (True, "4.00 ×")
    assert not by_name["goal: L against stock DRF"].passed
    assert not by_name["goal: L, cached against stock DRF"].passed
    assert by_name["L304, cached against stock DRF (L)"].passed
    assert by_name["login against bcrypt alone"].passed
    assert by_name["L, p99"].passed
    assert "D, p99" not in by_name


def test_one_error_misses_the_target_of_its_number_of_connections():
    by_name = judged(verdicts(run()))

    assert by_name["errors at 16 connections"].passed
    assert not by_name["errors at 64 connections"].passed


def test_a_storm_that_holds_up_the_others_misses():
    slow = {"calm": result(100), "meanwhile": result(1), "logins": result(20)}
    slow["meanwhile"] = slow["meanwhile"].__class__(requests=1, seconds=1, p95=31.0)

    assert judged(verdicts(run()))["L, p95 while others log in"].passed
    assert not judged(verdicts(run(storm=slow)))["L, p95 while others log in"].passed
