import pytest

from benchmarks import options

SERVICES = ["--database-url", "postgres://x/y", "--redis-url", "redis://x"]


def read(*arguments):
    return options.read([*arguments, *SERVICES], "")


def test_the_whole_run_is_recorded():
    chosen = read()

    assert chosen.complete
    assert chosen.out == options.RESULTS


@pytest.mark.parametrize("part", ["--only=ours,express", "--scenarios=L", "--seconds=1", "--users=10"])
def test_a_part_of_it_is_not(part):
    chosen = read(part)

    assert not chosen.complete
    assert chosen.out == options.PARTIAL


def test_orders_contenders_as_the_product_lists_them():
    assert read("--only", "express, ours").only == ["ours", "express"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--only=rails"], "knows no rails; there are ours"),
        (["--only=,"], "must name at least one"),
        (["--connections=16,none"], "from 1, not 'none'"),
        (["--seconds=0"], "from 1, not '0'"),
    ],
)
def test_an_invalid_option_is_named_with_the_reason(arguments, reason, capsys):
    with pytest.raises(SystemExit):
        read(*arguments)
    assert reason in capsys.readouterr().err


def test_without_services_the_error_names_make_bench(monkeypatch, capsys):
    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)
    with pytest.raises(SystemExit):
        options.read([], "")
    assert "make bench" in capsys.readouterr().err
