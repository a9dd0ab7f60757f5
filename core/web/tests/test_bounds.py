"""An error is no larger than it must be, whatever the client has sent."""

from core.web.errors import MAX_DETAILS, MAX_MESSAGE, ApiError, FieldError
from core.web.text import MAX_SHOWN


def test_an_error_takes_no_more_than_a_hundred_details_of_a_generator():
    problems = ({"field": str(n), "code": "x", "message": "m"} for n in range(1000))
    error = ApiError("VALIDATION_ERROR", details=problems)

    assert [detail["field"] for detail in error.details] == [str(n) for n in range(MAX_DETAILS)]
    assert next(problems)["field"] == str(MAX_DETAILS)


def test_what_a_client_has_chosen_comes_back_shortened():
    [detail] = FieldError("f" * 1000, "x", "m" * 2000, params={"max": 3}).details

    assert detail == {
        "field": "f" * (MAX_SHOWN - 1) + "…",
        "code": "x",
        "message": "m" * (MAX_MESSAGE - 1) + "…",
        "params": {"max": 3},
    }
