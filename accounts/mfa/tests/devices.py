"""An authenticator app, as tests use it."""

import time
from dataclasses import dataclass, field

import pyotp

from accounts.tests.checks import API, data
from accounts.tests.factories import PASSWORD

MFA = f"{API}/auth/mfa"


@dataclass
class Phone:
    """The app with the secret of a user. `caller` is the session that added it."""

    caller: object
    secret: str
    recovery_codes: list = field(default_factory=list)

    @property
    def user(self):
        return self.caller.user

    def code(self, steps=0):
        """Return the code of now, or of this many steps later."""
        return code_of(self.secret, steps)

    def wrong(self):
        """Return a code that no accepted step has."""
        near = {self.code(steps) for steps in range(-3, 4)}
        return next(text for number in range(10) if (text := f"{number}" * 6) not in near)


def code_of(secret, steps=0):
    return pyotp.TOTP(secret).at(int(time.time()) + 30 * steps)


def start(caller):
    """Return the app of a caller, not confirmed yet."""
    return Phone(caller, data(caller.post(f"{MFA}/totp", {"currentPassword": PASSWORD}), 201)["secret"])


def enrolled(caller):
    """Return the confirmed app of a caller. The code of the present step is spent."""
    phone = start(caller)
    response = caller.post(f"{MFA}/totp/confirm", {"code": phone.code()})
    phone.recovery_codes = data(response)["recoveryCodes"]
    return phone
