from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MovingConfig(AppConfig):
    name = "fengsui.sense.moving"
    label = "moving"
    verbose_name = _("Moving units")
