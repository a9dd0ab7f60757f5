"""System check of viewsets with summaries."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from core.api.routers import viewsets
from core.api.row_access import model_of
from core.summaries.views import SummaryViewSet


@register("core")
def check_summary_fields(**_options: Any) -> list[CheckMessage]:
    """Return an error for each viewset whose `summary_fields` are missing, or name what its model does not have."""
    return [
        Error(
            f"`summary_fields` of {view_class.__name__} {problem}.",
            hint="Name the fields of the model whose text may be sent to the service.",
            obj=view_class,
            id="core.E011",
        )
        for view_class in viewsets()
        if issubclass(view_class, SummaryViewSet) and (problem := problem_of(view_class))
    ]


def problem_of(view_class: Any) -> str:
    if not view_class.summary_fields:
        return "is missing"
    unknown = [name for name in view_class.summary_fields if not hasattr(model_of(view_class), name)]
    return f"names {unknown[0]!r}, which the model does not have" if unknown else ""
