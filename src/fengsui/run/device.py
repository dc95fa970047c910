"""``fengsui device``: a command to a device that is connected to a gateway, and what it answers."""

import argparse
import json
import sys

from fengsui.run import django_setup

HELP = "send a command to a connected device and show its answer"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True)
    ask = verbs.add_parser("command", help="send a command to the device and wait for its answer")
    ask.add_argument("device", help="code of the device")
    ask.add_argument("command", help="such as poll or set_time; fengsui device commands lists them")
    ask.add_argument("arguments", nargs="*", metavar="NAME=VALUE")
    ask.add_argument("--protocol", default="", help="for a device that speaks several")
    ask.add_argument("--wait", type=float, default=15.0, metavar="SECONDS")
    verbs.add_parser("commands", help="list the commands of every protocol")


def run(args: argparse.Namespace) -> int:
    if args.verb == "commands":
        return _list()
    django_setup.setup()
    from fengsui.base.errors import FengsuiError
    from fengsui.sense.devices import commands
    from fengsui.sense.devices.models import Device

    arguments = dict(pair.partition("=")[::2] for pair in args.arguments)
    device = Device.objects.select_related("site").filter(code=args.device).first()
    if device is None:
        print(f"fengsui device: there is no device {args.device}", file=sys.stderr)
        return 1
    try:
        outcome = commands.command(None, device, args.command, arguments, args.protocol, args.wait)
    except FengsuiError as error:
        print(f"fengsui device: {error}", file=sys.stderr)
        return 2
    print(outcome.outcome)
    for said in outcome.said:
        print(json.dumps(said, ensure_ascii=False))
    return 0 if outcome.outcome in commands.DONE else 1


def _list() -> int:
    from fengsui.sense.gateways.field.registry import ADAPTERS

    for name, adapter in ADAPTERS.items():
        for command, arguments in adapter.commands.items():
            print(" ".join((f"{name:<10}", command, *(f"{one}=…" for one in arguments))))
    return 0
