from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class NaturalsConfig(AppConfig):
    name = "fengsui.warn.naturals"
    label = "naturals"
    verbose_name = _("Natural hazards")
