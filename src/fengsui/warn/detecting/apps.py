from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DetectingConfig(AppConfig):
    name = "fengsui.warn.detecting"
    label = "detecting"
    verbose_name = _("Detectors")
