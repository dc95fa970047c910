"""The URL tree: pages, API, accounts, admin."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path

from fengsui.people.accounts.views import set_language
from fengsui.show.api.api import api
from fengsui.show.sta import views as sta

admin.autodiscover()

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", api.urls),
    re_path(r"^sta/v1\.1(?:/(?P<path>.*))?$", sta.service, name="sensorthings"),
    path("accounts/", include("fengsui.people.accounts.urls")),
    path("i18n/setlang/", set_language, name="set_language"),
    path("admin/", admin.site.urls),
    path("", include("fengsui.show.portal.urls")),
]
