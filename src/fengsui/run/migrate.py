"""The command ``fengsui migrate``: make the database and bring its tables up to date."""

import argparse
import sys

from fengsui.run import postgres, settings

HELP = "make the database and bring its tables up to date"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--region", help="also load this region pack, unless it is loaded")


def run(args: argparse.Namespace) -> int:
    if not settings.value("FENGSUI_DATABASE_URL"):
        postgres.create_database(settings.database_url())
    from fengsui.run import django_setup

    django_setup.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        call_command("migrate", interactive=False, verbosity=0)
        print(f"database: {len(plan)} migrations applied", file=sys.stderr)
    if args.region:
        from fengsui.run import region

        return region.load_once(args.region)
    return 0
