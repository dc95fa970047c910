"""``fengsui devices``: import tables of sites and devices, templates for them, and new secrets."""

import argparse
import contextlib
import csv
import io
import sys
from pathlib import Path

from fengsui.run import django_setup

HELP = "import sites, datastreams and devices; give a device a new secret"
SHOWN = 100
KINDS = (  # sense.devices.protocol_tables.TABLES
    "site", "thing", "sensor", "property", "datastream", "device", "identity", "mapping", "default-mapping", "modbus",
    "point",
)  # fmt: skip
PROTOCOLS = ("hj212", "sl651", "jt808", "gb26875")  # sense.devices.defaults.PROTOCOLS
BEGINS = {"property": "propert", "identity": "identit"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True)
    read = verbs.add_parser("import", help="read a CSV or xlsx file; with one bad row nothing is changed")
    read.add_argument("file", type=Path)
    read.add_argument(
        "--kind", choices=KINDS, help="what the rows are; by default the beginning of the file's name"
    )
    read.add_argument("--org", default="", help="code of the organisation; by default the root of the tree")
    read.add_argument("--dry-run", action="store_true", help="list every bad row and change nothing")
    read.add_argument("--bad", type=Path, help="also write every bad row to this CSV file")
    template = verbs.add_parser("template", help="write an empty CSV file to fill in")
    template.add_argument("kind", choices=KINDS)
    usual = verbs.add_parser(
        "defaults", help="import what the codes of a protocol usually mean; what is there stays as it is"
    )
    usual.add_argument("protocol", choices=PROTOCOLS)
    secret = verbs.add_parser("secret", help="give a device a new secret and show it once")
    secret.add_argument("code")


def run(args: argparse.Namespace) -> int:
    django_setup.setup()
    deeds = {"import": _import, "template": _template, "defaults": _defaults, "secret": _secret}
    return deeds[args.verb](args)


def _import(args: argparse.Namespace) -> int:
    from fengsui.people.orgs.models import Org
    from fengsui.sense.devices import services

    stem = args.file.stem.lower()
    kind = args.kind or next((k for k in KINDS if stem.startswith(BEGINS.get(k, k))), None)
    if kind is None:
        print(f"fengsui devices: the name of {args.file} tells no kind: add --kind", file=sys.stderr)
        return 2
    org = (
        Org.objects.filter(code=args.org).first()
        if args.org
        else Org.objects.order_by("depth", "path").first()
    )
    if org is None:
        print(f"fengsui devices: there is no organisation {args.org or 'at all'}", file=sys.stderr)
        return 2
    try:
        with args.file.open("rb") as file:
            report = services.import_file(None, org, file, kind, args.dry_run)
    except (services.BadFile, OSError) as error:
        print(f"fengsui devices: {error}", file=sys.stderr)
        return 2
    for bad in report.bad[:SHOWN]:
        print(bad)
    if report.bad_count > SHOWN:
        print(f"… and {report.bad_count - SHOWN} more" + ("" if args.bad else "; --bad FILE writes them all"))
    if args.bad:
        with args.bad.open("w", newline="", encoding="utf-8-sig") as out:
            writer = csv.writer(out)
            writer.writerow(["row", "column", "value", "problem", "advice"])
            writer.writerows([b.row, b.column, _plain(b.value), b.problem, b.advice] for b in report.bad)
    print(report.summary())
    return 1 if report.bad_count else 0


def _plain(value: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return "'" + value if value[:1] in ("=", "+", "-", "@", "\t") else value


def _template(args: argparse.Namespace) -> int:
    from fengsui.sense.devices import services

    sys.stdout.buffer.write(services.template(args.kind))
    return 0


def _defaults(args: argparse.Namespace) -> int:
    from django.db import transaction

    from fengsui.people.orgs.models import Org
    from fengsui.sense.devices import defaults, services
    from fengsui.sense.devices.models import CodeMapping, ObservedProperty

    org = Org.objects.order_by("depth", "path").first()
    if org is None:
        print("fengsui devices: there is no organisation at all", file=sys.stderr)
        return 2
    there = CodeMapping.objects.filter(protocol=args.protocol, site=None, device=None, model="")
    properties, mappings, count = defaults.files(
        args.protocol,
        set(ObservedProperty.objects.values_list("code", flat=True)),
        set(there.values_list("code", flat=True)),
    )
    with transaction.atomic():
        for kind, data in (("property", properties), ("default-mapping", mappings)):
            if count and data.count(b"\n") > 1:
                report = services.import_file(None, org, io.BytesIO(data), kind, False)
                for bad in report.bad:
                    print(bad)
                if report.bad_count:
                    transaction.set_rollback(True)
                    return 1
                print(report.summary())
    print(f"{count} codes of {args.protocol} are mapped by default now; those mapped before are as they were")
    return 0


def _secret(args: argparse.Namespace) -> int:
    from fengsui.sense.devices import services
    from fengsui.sense.devices.models import Device

    device = Device.objects.select_related("site").filter(code=args.code).first()
    if device is None:
        print(f"fengsui devices: there is no device {args.code}", file=sys.stderr)
        return 1
    secret = services.new_secret(None, device)
    with contextlib.suppress(BrokenPipeError):
        print(secret)
    print(f"this is shown once; {device.code} may publish for site {device.site.code}", file=sys.stderr)
    return 0
