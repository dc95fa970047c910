"""/accounts/: the pages of allauth that this platform uses.  Sign-up and reset by mail: "ask the operator"."""

from allauth.account import views as account
from django.urls import URLPattern, URLResolver, include, path

from fengsui.people.accounts import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("login/", account.login, name="account_login"),
    path("logout/", account.logout, name="account_logout"),
    path("reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("password/change/", account.password_change, name="account_change_password"),
    path("password/set/", views.ask_operator, name="account_set_password"),
    path("password/reset/", views.ask_operator, name="account_reset_password"),
    path("signup/", views.ask_operator, name="account_signup"),
    path("inactive/", views.ask_operator, name="account_inactive"),
    path("email/", views.ask_operator, name="account_email"),
    path("2fa/", include("allauth.mfa.urls")),
]
