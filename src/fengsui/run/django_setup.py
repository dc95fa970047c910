"""Set Django up once, for roles and commands that use the database through it."""

import os


def setup() -> None:
    """Configure Django with our settings.  Safe to call twice."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fengsui.run.settings")
    import django
    from django.apps import apps

    if not apps.ready:
        django.setup()
