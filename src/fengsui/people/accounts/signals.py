"""Logins, logouts, changed passwords and second factors go to the audit trail.  Called by Django's own signals."""

from typing import Any

from allauth.account.signals import password_changed
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset
from axes.signals import user_locked_out
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.core.cache import cache
from django.dispatch import receiver
from django.http import HttpRequest

from fengsui.people import audit
from fengsui.people.accounts import lockout
from fengsui.people.accounts.middleware import WENT_AWAY
from fengsui.people.accounts.models import User
from fengsui.people.accounts.services import home_path
from fengsui.people.accounts.source import client_ip
from fengsui.people.audit.chain import sm3

WALL_SESSION_SECONDS = 90 * 86_400


@receiver(user_logged_in)
def logged_in(sender: Any, request: HttpRequest, user: User, **_: Any) -> None:
    if user.idle_minutes == 0:
        request.session.set_expiry(WALL_SESSION_SECONDS)
    _record(user, "login", user, request)


@receiver(user_logged_out)
def logged_out(sender: Any, request: HttpRequest, user: User | None, **_: Any) -> None:
    if user is not None:
        _record(user, "logout.idle" if request.META.get(WENT_AWAY) else "logout", user, request)


@receiver(user_login_failed)
def login_failed(
    sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any
) -> None:
    """A failure is kept with the account's name if there is such an account: people type passwords there."""
    if request is None or getattr(request, "axes_locked_out", False):
        return
    name = lockout.account_key(request, credentials) or ""
    user = User.objects.filter(username__iexact=name).first()
    factor = "second" if credentials.get("second_factor") else "password"
    audit.record(
        user, "login", user, ok=False, org_path=home_path(user), source_ip=client_ip(request), factor=factor,
        **({} if user else {"unknown_account": sm3(name.encode())[:16]}),
    )  # fmt: skip


@receiver(user_locked_out)
def locked_out(sender: Any, request: HttpRequest, username: str | None, **_: Any) -> None:
    """Once per lock, however often someone knocks."""
    if not cache.add(f"audit.locked:{sm3(f'{username} {client_ip(request)}'.encode())}", True, 600):
        return
    user = User.objects.filter(username__iexact=username or "").first()
    audit.record(user, "login.locked", user, ok=False, org_path=home_path(user), source_ip=client_ip(request))


@receiver(password_changed)
def changed_password(sender: Any, request: HttpRequest, user: User, **_: Any) -> None:
    _record(user, "user.password_changed", user, request)


@receiver(authenticator_added)
def factor_added(sender: Any, request: HttpRequest, user: User, authenticator: Any, **_: Any) -> None:
    _record(user, "user.second_factor_added", user, request, type=authenticator.type)


@receiver(authenticator_removed)
def factor_removed(sender: Any, request: HttpRequest, user: User, authenticator: Any, **_: Any) -> None:
    _record(user, "user.second_factor_removed", user, request, type=authenticator.type)


@receiver(authenticator_reset)
def factor_reset(sender: Any, request: HttpRequest, user: User, authenticator: Any, **_: Any) -> None:
    _record(user, "user.recovery_codes_made", user, request, type=authenticator.type)


def _record(actor: User, action: str, user: User, request: HttpRequest, **detail: Any) -> None:
    audit.record(actor, action, user, org_path=home_path(user), source_ip=client_ip(request), **detail)
