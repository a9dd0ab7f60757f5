from typing import Any

from django.core.management.base import BaseCommand

from core.api.read_eligibility import refusal_of
from core.api.routers import viewsets
from core.api.row_access import model_of
from core.api.viewsets import BaseViewSet


class Command(BaseCommand):
    help = "Print for each viewset who may read and write its rows, and whether its reads are compiled, or why not."

    def handle(self, **_options: Any) -> None:
        for view_class in sorted(viewsets(), key=lambda kind: kind.__name__):
            model = model_of(view_class)
            self.stdout.write(self.style.MIGRATE_HEADING(f"{view_class.__name__} ({model._meta.label})"))
            if not issubclass(view_class, BaseViewSet):
                self.stdout.write("  plain REST framework: its queryset and its permissions decide")
                continue
            access = getattr(model, "access", None)
            self.stdout.write(f"  access: {access or 'by hand, visible_to(user)'}")
            reason = refusal_of(view_class, view_class.serializer_class)
            self.stdout.write(
                "  reads: compiled" if reason is None else f"  reads: plain, because of {reason}"
            )
