"""What a password must be, and when it must be changed (GB/T 22239-2019, 8.1.4.1; numbers: docs/security.md).

Django calls the validators; each says what it wants before (``get_help_text``) and what is missing after.
"""

import re
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher, check_password
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

KINDS = (r"[A-Z]", r"[a-z]", r"[0-9]", r"[^A-Za-z0-9]")
LENGTH, LENGTH_ADMIN, KINDS_WANTED, HISTORY = 8, 10, 3, 5
NAME_PART = 3  # a name shorter than this says nothing


class Argon2(Argon2PasswordHasher):
    """Argon2id, salted and slow: 19 MiB and two passes a guess, so that a rush of logins fits in memory.

    Source of the numbers: OWASP Password Storage Cheat Sheet, Argon2id (m=19456, t=2, p=1).
    """

    time_cost = 2
    memory_cost = 19_456
    parallelism = 1


class LengthAndKinds:
    """At least 8 characters (10 for who runs the platform), of three of four kinds."""

    def validate(self, password: str, user: Any = None) -> None:
        wanted = LENGTH_ADMIN if _runs_the_platform(user) else LENGTH
        if len(password) < wanted:
            raise ValidationError(
                _("At least %(number)d characters are needed."),
                code="people.password_short",
                params={"number": wanted},
            )
        if sum(bool(re.search(kind, password)) for kind in KINDS) < KINDS_WANTED:
            raise ValidationError(
                _("Use at least three of: capital letters, small letters, digits, other signs."),
                code="people.password_plain",
            )

    def get_help_text(self) -> str:
        return _(
            "At least %(number)d characters (%(admin)d for platform operators), "
            "of at least three of: capital letters, small letters, digits, other signs."
        ) % {"number": LENGTH, "admin": LENGTH_ADMIN}


class NotTheName:
    """Neither the account name nor the person's name in it, forwards or backwards."""

    def validate(self, password: str, user: Any = None) -> None:
        lower = password.casefold()
        for part in _names(user):
            if part in lower or part[::-1] in lower:
                raise ValidationError(
                    _("The password must not contain the account name."), code="people.password_name"
                )

    def get_help_text(self) -> str:
        return _("Not containing the account name.")


class NotAFormerOne:
    """None of the last five.  Also keeps the history, when Django says that a password was changed."""

    def validate(self, password: str, user: Any = None) -> None:
        if user is None or user.pk is None:
            return
        former = user.former_passwords.order_by("-id").values_list("password", flat=True)[:HISTORY]
        if any(check_password(password, encoded) for encoded in former):
            raise ValidationError(
                _("This is one of your last %(number)d passwords."),
                code="people.password_former",
                params={"number": HISTORY},
            )

    def password_changed(self, password: str, user: Any = None) -> None:
        if user is None or user.pk is None or not user.has_usable_password():
            return
        user.former_passwords.create(password=user.password)
        keep = list(user.former_passwords.order_by("-id").values_list("pk", flat=True)[:HISTORY])
        user.former_passwords.exclude(pk__in=keep).delete()
        user.password_changed_at = timezone.now()
        type(user).objects.filter(pk=user.pk).update(password_changed_at=user.password_changed_at)

    def get_help_text(self) -> str:
        return _("None of your last %(number)d passwords.") % {"number": HISTORY}


FIRST = gettext_lazy("This password was given to you by someone else. Choose one that only you know.")
OLD = gettext_lazy("Your password is older than %(days)d days. Choose a new one.")


def why_due(user: Any) -> str:
    """Why ``user`` has to choose a new password now; "" when there is no reason."""
    if user.must_change_password:
        return str(FIRST)
    days = settings.PASSWORD_MAX_DAYS
    since = user.password_changed_at or user.date_joined
    if days and timezone.now() - since > timedelta(days=days):
        return str(OLD) % {"days": days}
    return ""


def _runs_the_platform(user: Any) -> bool:
    if user is None:
        return False
    return bool(user.is_superuser or (user.pk and user.memberships.filter(role="operator").exists()))


def _names(user: Any) -> list[str]:
    if user is None:
        return []
    parts = [user.username, user.display_name, user.email.partition("@")[0]]
    return [part.casefold() for part in parts if len(part) >= NAME_PART]
