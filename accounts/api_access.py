"""Requirements of an account for the use of the API beyond the account itself."""

from typing import TYPE_CHECKING

from django.conf import settings


class ApiAccess:
    """A mixin of the user."""

    if TYPE_CHECKING:
        role: str
        mfa_enabled: bool

        @property
        def is_active(self) -> bool: ...

        @property
        def email_verified(self) -> bool: ...

    @property
    def may_use_api(self) -> bool:
        return self.api_refusal is None

    @property
    def api_refusal(self) -> str | None:
        """Return the code of the error outside of the own account, or None: with REQUIRE_VERIFIED_EMAIL it needs a
        verified address, and a role of MFA_REQUIRED_FOR a second factor."""
        if not self.is_active:
            return "UNAUTHORIZED"
        if settings.REQUIRE_VERIFIED_EMAIL and not self.email_verified:
            return "EMAIL_UNVERIFIED"
        return "MFA_ENROLLMENT_REQUIRED" if self.must_enrol else None

    @property
    def must_enrol(self) -> bool:
        """Return whether the role needs a second factor and the user has none."""
        return self.role in settings.MFA_REQUIRED_FOR and not self.mfa_enabled
