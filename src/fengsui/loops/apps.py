from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class LoopsConfig(AppConfig):
    name = "fengsui.loops"
    label = "loops"
    verbose_name = _("Loops")

    def ready(self) -> None:
        post_migrate.connect(_install_kinds, sender=self)


def _install_kinds(**_kwargs: object) -> None:
    from django.db import connection

    from fengsui.loops import kinds

    if "loops_kindchange" in connection.introspection.table_names():
        kinds.install()
