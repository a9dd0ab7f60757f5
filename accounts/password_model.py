"""The password of a user: normalised before it is hashed, and re-hashed without a lost update."""

from asgiref.sync import sync_to_async
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import check_password, make_password
from django.core.exceptions import ValidationError

from accounts.validators import normalize_password


class PasswordModel(AbstractBaseUser):
    """A model with a password, on which the user is based."""

    class Meta:
        abstract = True

    def set_password(self, raw_password: str | None) -> None:
        """Set the password. Raise ValidationError for invalid text. The services check the rules."""
        super().set_password(raw_password if raw_password is None else normalize_password(raw_password))

    def check_password(self, raw_password: str | None) -> bool:
        """Return whether this is the password. A hash with other rounds than BCRYPT_ROUNDS is replaced if it is still
        the stored one: a log-in that began before a reset must not undo the reset."""
        try:
            text = normalize_password(raw_password or "")
        except ValidationError:
            return False
        was_replaced = False

        def replace_hash(raw: str) -> None:
            nonlocal was_replaced
            encoded = make_password(raw)
            rows = type(self)._default_manager.filter(pk=self.pk)
            was_replaced = not rows.filter(password=self.password).update(password=encoded)
            if was_replaced:
                encoded = rows.values_list("password", flat=True).first() or self.password
            self.password = encoded

        is_right = check_password(text, self.password, replace_hash)
        # If replaced, the new hash is by a parallel log-in with the same password, or of another password.
        return is_right and (not was_replaced or check_password(text, self.password))

    async def acheck_password(self, raw_password: str | None) -> bool:
        return await sync_to_async(self.check_password)(raw_password)
