"""Organisations as a tree: province → city → county → township → village; bureaus, parks and enterprises under them.

``path`` is the ids from the root down, "/1/7/42/"; everything at or below an organisation is a prefix match.
Division codes are GB/T 2260 (six digits) and, for townships, GB/T 10114 (nine digits).
"""

from django.conf import settings
from django.contrib.postgres.indexes import OpClass
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class OrgKind(models.TextChoices):
    PROVINCE = "province", _("Province")
    CITY = "city", _("City")
    COUNTY = "county", _("County or district")
    TOWNSHIP = "township", _("Township or street")
    VILLAGE = "village", _("Village or community")
    BUREAU = "bureau", _("Bureau or department")
    PARK = "park", _("Park")
    ENTERPRISE = "enterprise", _("Enterprise")


class Role(models.TextChoices):
    DUTY_OFFICER = "duty_officer", _("Duty officer")
    COMMANDER = "commander", _("Commander")
    REGULATOR = "regulator", _("Regulator")
    SAFETY_OFFICER = "safety_officer", _("Enterprise safety officer")
    DATA_STEWARD = "data_steward", _("Data steward")
    OPERATOR = "operator", _("Platform operator")
    VIEWER = "viewer", _("Viewer")


class Org(models.Model):
    parent = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="children",
        verbose_name=_("under"),
    )
    path = models.CharField(max_length=255, unique=True, editable=False)
    depth = models.PositiveSmallIntegerField(default=0, editable=False)
    kind = models.CharField(_("kind"), max_length=16, choices=OrgKind.choices)
    code = models.SlugField(
        _("short name"), max_length=64, unique=True, help_text=_("Short stable name used in files")
    )
    name = models.CharField(_("name"), max_length=120)
    name_en = models.CharField(_("name in English"), max_length=160, blank=True)
    division_code = models.CharField(
        _("division code"),
        max_length=12,
        blank=True,
        validators=[
            RegexValidator(r"^(\d{6}|\d{9}|\d{12})$", _("6, 9 or 12 digits: GB/T 2260, GB/T 10114."))
        ],
        db_index=True,
    )
    uscc = models.CharField(
        _("unified social credit code"), max_length=18, blank=True, help_text=_("18 characters, GB 32100")
    )
    longitude = models.FloatField(_("longitude"), null=True, blank=True)
    latitude = models.FloatField(_("latitude"), null=True, blank=True)
    is_demo = models.BooleanField(_("demonstration"), default=False)

    class Meta:
        ordering = ["path"]
        verbose_name = _("Organisation")
        verbose_name_plural = _("Organisations")
        indexes = [models.Index(OpClass("path", "varchar_pattern_ops"), name="org_path_prefix")]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships", verbose_name=_("User")
    )
    org = models.ForeignKey(
        Org, on_delete=models.CASCADE, related_name="memberships", verbose_name=_("Organisation")
    )
    role = models.CharField(_("role"), max_length=20, choices=Role.choices)

    class Meta:
        verbose_name = _("Membership")
        verbose_name_plural = _("Memberships")
        constraints = [models.UniqueConstraint(fields=["user", "org", "role"], name="one_membership_each")]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()} · {self.org}"
