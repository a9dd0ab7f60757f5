"""The groups of statements of one request are bounded."""

from core.devpages.statements import MAX_GROUPS, Statements


def run(statements, sql):
    return statements(lambda *_arguments: "rows", sql, (), False, {})


def test_statements_beyond_the_groups_are_counted_and_not_kept():
    statements = Statements()
    for number in range(MAX_GROUPS + 5):
        assert run(statements, f"SELECT {number}") == "rows"
    run(statements, "SELECT 0")

    assert len(statements.described()) == MAX_GROUPS
    assert statements.described()[-1]["sql"] == f"SELECT {MAX_GROUPS - 1}"
    assert statements.described()[0]["count"] == 2
    assert statements.count == MAX_GROUPS + 6
