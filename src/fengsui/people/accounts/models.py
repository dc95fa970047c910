"""People who log in.  What they may do follows from their memberships (people.orgs)."""

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _


class User(AbstractUser):
    """``must_change_password`` is set whenever someone else chose the password; ``idle_minutes`` overrides the
    platform's own limit, 0 for a wall display that stays logged in.
    """

    display_name = models.CharField(_("name"), max_length=60, blank=True)
    phone = models.CharField(_("phone"), max_length=30, blank=True)
    language = models.CharField(_("language"), max_length=10, choices=settings.LANGUAGES, blank=True)
    must_change_password = models.BooleanField(_("must change password"), default=False)
    password_changed_at = models.DateTimeField(_("password changed"), null=True, blank=True, editable=False)
    idle_minutes = models.PositiveSmallIntegerField(
        _("logged out after minutes without use"),
        null=True,
        blank=True,
        help_text=_("Empty: as the platform is set. 0: never, for wall displays only."),
    )

    class Meta:
        verbose_name = _("User")
        verbose_name_plural = _("Users")
        constraints = [
            models.UniqueConstraint(models.functions.Lower("username"), name="one_username_in_any_case")
        ]

    def __str__(self) -> str:
        return self.display_name or self.username

    @property
    def password_due(self) -> str:
        """Why a new password must be chosen now; "" when there is no reason."""
        from fengsui.people.accounts.passwords import why_due

        return why_due(self)


class FormerPassword(models.Model):
    """The hash of a password that a user has or had; the newest few are kept so that none comes back."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="former_passwords")
    password = models.CharField(max_length=128)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["user", "-id"], name="former_password_recent")]
