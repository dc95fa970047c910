from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "fengsui.people.accounts"
    label = "accounts"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        from fengsui.people.accounts import signals  # noqa: F401  — its receivers are connected by being imported


class AdminConfig(admin_apps.SimpleAdminConfig):
    """Django's admin with our site: see site.py.  Its pages are read with the URLs: only ``web`` has use for them."""

    default = False
    default_site = "fengsui.people.accounts.site.OperatorSite"
