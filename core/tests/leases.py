"""Time for leases passes in the database, whose clock no test can set: their rows are moved back instead."""

from datetime import timedelta

from django.db.models import F


def pass_time(model, seconds):
    """Let `seconds` pass for the rows of an outbox or job table."""
    past = timedelta(seconds=seconds)
    model.objects.update(due_at=F("due_at") - past, lease_until=F("lease_until") - past)
