"""Forms of the login pages where they differ from allauth's own."""

from typing import Any

from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm as BaseAuthenticateForm
from django import forms
from django.contrib.auth.signals import user_login_failed
from django.utils.translation import gettext as _

from fengsui.people.accounts import lockout


class AuthenticateForm(BaseAuthenticateForm):
    """The second step of a login: a wrong code counts towards the lock-out like a wrong password."""

    def clean_code(self) -> str:
        request, name = context.request, self.user.get_username()
        if lockout.is_locked(request, name):
            request.axes_locked_out = True
            raise forms.ValidationError(_("Too many failed logins. Try again later."))
        return super().clean_code()

    def _emit_authentication_failed(self, authenticator: Any) -> None:
        super()._emit_authentication_failed(authenticator)
        user_login_failed.send(
            sender=__name__,
            credentials={"username": self.user.get_username(), "second_factor": True},
            request=context.request,
        )
