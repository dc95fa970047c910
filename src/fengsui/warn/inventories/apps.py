from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class InventoriesConfig(AppConfig):
    name = "fengsui.warn.inventories"
    label = "inventories"
    verbose_name = _("Inventories of hazardous chemicals")
