"""The command ``fengsui users``: accounts from the command line, so that a fresh installation gets its first one.

What is typed here is done by the platform itself: the audit trail names no person.
"""

import argparse
import sys
from typing import Any

HELP = "make accounts, set passwords, grant roles"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    deeds = parser.add_subparsers(dest="deed", required=True)
    add = deeds.add_parser("add", help="make an account; prints its password once")
    add.add_argument("account")
    add.add_argument("--name", default="", help="the person's name")
    add.add_argument("--superuser", action="store_true", help="may do everything: for setting up")
    add.add_argument("--role", help="a role at --org")
    add.add_argument("--org", help="code of an organisation")
    add.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    passwd = deeds.add_parser("passwd", help="give a new password; prints it once; lifts a lock")
    passwd.add_argument("account")
    passwd.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    for name, words in (("grant", "give a role at an organisation"), ("revoke", "take a role back")):
        deed = deeds.add_parser(name, help=words)
        deed.add_argument("account")
        deed.add_argument("role")
        deed.add_argument("org", help="code of an organisation")
    for name, words in (
        ("unlock", "let a locked-out person try again"),
        ("off", "switch an account off"),
        ("on", "switch an account on"),
        ("reset-second-factor", "remove a lost second factor"),
    ):
        deeds.add_parser(name, help=words).add_argument("account")
    deeds.add_parser("list", help="accounts and their roles")


def run(args: argparse.Namespace) -> int:
    """0 done, 1 refused with the reason, 3 no database."""
    from fengsui.run import django_setup

    django_setup.setup()
    from django.db import OperationalError
    from psycopg_pool import PoolTimeout

    from fengsui.base.errors import BadInput

    try:
        _DEEDS[args.deed](args)
        return 0
    except BadInput as error:
        print(f"fengsui users: {error}", file=sys.stderr)
        return 1
    except (OperationalError, PoolTimeout):
        print("fengsui users: the database does not answer; is `fengsui db` running?", file=sys.stderr)
        return 3


def _add(args: argparse.Namespace) -> None:
    from django.db import transaction

    from fengsui.people.accounts import services
    from fengsui.people.orgs.services import grant

    with transaction.atomic():
        if bool(args.role) != bool(args.org):
            raise services.BadAccount("--role and --org belong together")
        user, password = services.create_user(
            actor=None,
            username=args.account,
            display_name=args.name,
            is_superuser=args.superuser,
            password=_password(args),
            must_change_password=not args.password_stdin,
        )
        if args.role:
            grant(actor=None, user=user, org=_org(args.org), role=args.role)
    print(
        f"made {user.username}"
        + ("" if args.password_stdin else f", password {password} (changed at first login)")
    )


def _passwd(args: argparse.Namespace) -> None:
    from fengsui.people.accounts import services

    user, given = _user(args.account), _password(args)
    password = services.set_password(actor=None, user=user, password=given, must_change=not given)
    print(f"password of {user.username} set" if given else f"password {password} (changed at next login)")


def _grant(args: argparse.Namespace) -> None:
    from fengsui.people.orgs.services import grant

    print(grant(actor=None, user=_user(args.account), org=_org(args.org), role=args.role))


def _revoke(args: argparse.Namespace) -> None:
    from fengsui.people.orgs.services import BadOrg, revoke

    user, org = _user(args.account), _org(args.org)
    membership = user.memberships.filter(org=org, role=args.role).first()
    if membership is None:
        raise BadOrg(f"{user.username} is not {args.role} at {org.code}")
    revoke(actor=None, membership=membership)


def _unlock(args: argparse.Namespace) -> None:
    from fengsui.people.accounts import services

    services.unlock(actor=None, user=_user(args.account))


def _switch(args: argparse.Namespace) -> None:
    from fengsui.people.accounts import services

    services.edit_user(actor=None, user=_user(args.account), is_active=args.deed == "on")


def _reset_second_factor(args: argparse.Namespace) -> None:
    from fengsui.people.accounts import services

    services.reset_second_factor(actor=None, user=_user(args.account))


def _list(args: argparse.Namespace) -> None:
    from fengsui.people.accounts.models import User

    for user in User.objects.order_by("username").prefetch_related("memberships__org"):
        roles = [f"{m.role}@{m.org.code}" for m in user.memberships.all()]
        marks = ["superuser"] * user.is_superuser + ["off"] * (not user.is_active)
        print(f"{user.username:<20} {user.display_name:<12} {' '.join(marks + roles)}")


_DEEDS = {
    "add": _add,
    "passwd": _passwd,
    "grant": _grant,
    "revoke": _revoke,
    "unlock": _unlock,
    "off": _switch,
    "on": _switch,
    "reset-second-factor": _reset_second_factor,
    "list": _list,
}


def _user(account: str) -> Any:
    from fengsui.people.accounts.models import User
    from fengsui.people.accounts.services import BadAccount

    user = User.objects.filter(username__iexact=account).first()
    if user is None:
        raise BadAccount(f"no account {account!r}")
    return user


def _org(code: str) -> Any:
    from fengsui.people.orgs.models import Org
    from fengsui.people.orgs.services import BadOrg

    org = Org.objects.filter(code=code).first()
    if org is None:
        raise BadOrg(f"no organisation with the code {code!r}")
    return org


def _password(args: argparse.Namespace) -> str:
    return sys.stdin.readline().rstrip("\n") if args.password_stdin else ""
