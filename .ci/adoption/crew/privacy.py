from typing import Any

from accounts.models import User
from core.db.privacy import exports
from crew.models import Membership


@exports("memberships", Membership)
def memberships(user: User) -> Any:
    return [{"team": row.team.name} for row in Membership.objects.filter(user=user).select_related("team")]
