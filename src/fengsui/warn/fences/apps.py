from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class FencesConfig(AppConfig):
    name = "fengsui.warn.fences"
    label = "fences"
    verbose_name = _("Geofences")
