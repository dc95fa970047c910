"""What operators do with accounts.  ``actor`` is the user who does it, or None for a command typed on the server.

An operator reaches the people whose every role lies under an organisation where the operator may ``user.edit``, and
people who have no role yet; never a superuser.  Only a superuser (or the server) makes a superuser.
"""

import secrets
from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from fengsui.base.errors import BadInput, NotAllowed
from fengsui.people import audit
from fengsui.people.accounts import lockout
from fengsui.people.accounts.models import User
from fengsui.people.orgs import access
from fengsui.people.orgs.models import Membership

EDITABLE = ("display_name", "phone", "email", "language", "idle_minutes", "is_active")
SIGNS = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # nothing that is mistaken for another


class BadAccount(BadInput):
    """An account that cannot be made or changed as asked: its name, its password."""

    code = "people.bad_account"


def users_where(user: Any, action: str = "user.view") -> QuerySet[User]:
    """The accounts that ``user`` may see (``user.view``) or change (``user.edit``)."""
    if access.paths_where(user, action) == [""]:
        return User.objects.all()
    if not access.paths_where(user, action):
        return User.objects.none()
    roles = Membership.objects.filter(user=OuterRef("pk"))
    inside = roles.filter(access.rows_where(user, action, "org__path"))
    if action == "user.view":
        return User.objects.filter(Exists(inside))
    outside = roles.exclude(access.rows_where(user, action, "org__path"))
    return User.objects.filter(~Exists(outside), is_superuser=False)


def home_path(user: Any) -> str:
    """The lowest organisation above all roles of ``user``, as a path; "" for someone without any."""
    paths = [path.strip("/").split("/") for path, _role in access.held(user)]
    if not paths:
        return ""
    shared = []
    for steps in zip(*paths, strict=False):
        if len(set(steps)) > 1:
            break
        shared.append(steps[0])
    return f"/{'/'.join(shared)}/" if shared else ""


def new_password() -> str:
    """A random password that keeps our rules, to be read out once and changed at the first login."""
    while True:
        text = "-".join("".join(secrets.choice(SIGNS) for _place in range(4)) for _group in range(4))
        if (
            any(c.isdigit() for c in text)
            and any(c.isupper() for c in text)
            and any(c.islower() for c in text)
        ):
            return text


@transaction.atomic
def create_user(
    *,
    actor: Any,
    username: str,
    password: str = "",
    display_name: str = "",
    is_superuser: bool = False,
    must_change_password: bool = True,
    **values: Any,
) -> tuple[User, str]:
    """Make an account; return it and its password (a random one when none is given).

    Raises NotAllowed, BadAccount.
    """
    if actor is not None:
        access.require(actor, "user.edit")
        if is_superuser and not actor.is_superuser:
            access.require(actor, "user.edit", "/")
    user = User(
        username=username.strip(), display_name=display_name, is_superuser=is_superuser,
        is_staff=is_superuser, must_change_password=must_change_password, **values,
    )  # fmt: skip
    password = password or new_password()
    if User.objects.filter(username__iexact=user.username).exists():
        raise BadAccount(_("there is already an account %(account)s") % {"account": user.username})
    _check(user, password)
    user.set_password(password)
    user.save()
    audit.record(actor, "user.created", user, superuser=is_superuser)
    return user, password


@transaction.atomic
def set_password(*, actor: Any, user: User, password: str = "", must_change: bool = True) -> str:
    """Give someone a new password (a random one when none is given) and return it.  Also lifts a lock.

    For one's own password use the page, which asks for the present one.  Raises NotAllowed, BadAccount.
    """
    _reach(actor, user)
    password = password or new_password()
    _check(user, password)
    user.must_change_password = must_change
    user.set_password(password)
    user.save(update_fields=["password", "must_change_password"])
    lockout.unlock(user.username)
    audit.record(actor, "user.password_set", user, org_path=home_path(user), must_change=must_change)
    return password


@transaction.atomic
def edit_user(*, actor: Any, user: User, **values: Any) -> User:
    """Change what ``EDITABLE`` names; ``is_active=False`` switches the account off at once.

    Raises NotAllowed.
    """
    if unknown := set(values) - set(EDITABLE):
        raise TypeError(f"not editable: {sorted(unknown)}")
    _reach(actor, user)
    before = {name: getattr(user, name) for name in values if getattr(user, name) != values[name]}
    for name in before:
        setattr(user, name, values[name])
    if before:
        user.save(update_fields=list(before))
        after = {name: values[name] for name in before}
        audit.record(actor, "user.edited", user, org_path=home_path(user), before=before, after=after)
    return user


@transaction.atomic
def unlock(*, actor: Any, user: User) -> None:
    """Let a locked-out person try again at once.  Raises NotAllowed."""
    _reach(actor, user)
    lockout.unlock(user.username)
    audit.record(actor, "user.unlocked", user, org_path=home_path(user))


@transaction.atomic
def reset_second_factor(*, actor: Any, user: User) -> None:
    """Remove the second factor and its recovery codes of someone who lost both.  Raises NotAllowed."""
    _reach(actor, user)
    gone, _counts = Authenticator.objects.filter(user=user).delete()
    if gone:
        audit.record(actor, "user.second_factor_removed", user, org_path=home_path(user))


def _reach(actor: Any, user: User) -> None:
    if actor is None or users_where(actor, "user.edit").filter(Q(pk=user.pk)).exists():
        return
    audit.refuse(actor, "user.edit", user, org_path=home_path(user))
    raise NotAllowed(f"{actor} may not change the account {user.username}")


def _check(user: User, password: str) -> None:
    try:
        user.full_clean(exclude=["password"])
        password_validation.validate_password(password, user)
    except ValidationError as error:
        raise BadAccount(" ".join(error.messages)) from None
