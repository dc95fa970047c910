"""Password check: allauth's, but an account that is switched off looks exactly like a wrong password."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.http import HttpRequest


class Backend(AuthenticationBackend):
    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> Any:
        user = super().authenticate(request, **credentials)
        self.unstash_authenticated_user()
        return user
