from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CallsConfig(AppConfig):
    name = "fengsui.warn.calls"
    label = "calls"
    verbose_name = _("Call and confirm")
