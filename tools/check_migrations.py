"""Fails when a model has no migration, or an app two last ones.  Compares code with code: no database is asked."""

import os
import sys

os.environ["DJANGO_SETTINGS_MODULE"] = "fengsui.run.settings"

import django
from django.apps import apps
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from django.utils import translation

django.setup()
translation.deactivate_all()  # migrations hold the English words
loader = MigrationLoader(None)
if conflicts := loader.detect_conflicts():
    sys.exit(f"several last migrations, make them one line: {conflicts}")
changes = MigrationAutodetector(loader.project_state(), ProjectState.from_apps(apps)).changes(
    graph=loader.graph
)
ours = {config.label for config in apps.get_app_configs() if config.name.startswith("fengsui.")}
missing = {label: [str(m.operations[0]) for m in found] for label, found in changes.items() if label in ours}
if missing:
    sys.exit(f"models without a migration: {missing}")
