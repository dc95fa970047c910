"""Accounts, for operators: made here with a random password that is shown once.  Who reaches whom: services.py."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from fengsui.base.errors import FengsuiError
from fengsui.people.accounts import services
from fengsui.people.accounts.models import User
from fengsui.people.audit.admin import AuditedAdmin


class UserForm(forms.ModelForm):
    """Whatever is typed goes through ``services``; a superuser is made by a superuser only."""

    class Meta:
        model = User
        fields = (
            "username",
            "display_name",
            "phone",
            "email",
            "language",
            "idle_minutes",
            "is_active",
            "is_superuser",
        )

    def clean_username(self) -> str:
        name = self.cleaned_data["username"].strip()
        if User.objects.filter(username__iexact=name).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(
                _("There is already an account of this name."), code="people.bad_account"
            )
        return name


@admin.register(User)
class UserAdmin(AuditedAdmin):
    view_action = edit_action = "user.edit"
    form = UserForm
    list_display = ("username", "display_name", "roles", "is_active", "is_superuser", "last_login")
    list_filter = ("is_active", "memberships__role")
    search_fields = ("username", "display_name", "phone")
    ordering = ("username",)
    list_per_page = 50
    show_full_result_count = False
    actions = ("new_password", "unlock", "remove_second_factor", "switch_off", "switch_on")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return services.users_where(request.user, "user.edit").prefetch_related("memberships__org").distinct()

    def _may_edit(self, request: HttpRequest, obj: Any = None) -> bool:
        reach = services.users_where(request.user, "user.edit")
        return self.has_view_permission(request) and (obj is None or reach.filter(pk=obj.pk).exists())

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # accounts are switched off: what somebody did keeps its name

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        fixed = (
            () if obj is None else ("username", "last_login", "password_changed_at", "must_change_password")
        )
        return fixed if request.user.is_superuser else (*fixed, "is_superuser")

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        given = {name: form.cleaned_data[name] for name in services.EDITABLE if name in form.cleaned_data}
        user, password = services.create_user(
            actor=request.user,
            username=obj.username,
            is_superuser=bool(form.cleaned_data.get("is_superuser")),
            **given,
        )
        obj.pk, obj.password = user.pk, user.password
        obj._state.adding = False
        self.message_user(
            request,
            _("Password of %(account)s, shown only now: %(password)s")
            % {"account": user.username, "password": password},
            messages.WARNING,
        )

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None  # services.create_user recorded it

    def _record(self, request: HttpRequest, what: str, obj: Any, **detail: Any) -> None:
        from fengsui.people import audit

        detail = {key: value for key, value in detail.items() if value}
        audit.record(request.user, f"user.{what}", obj, org_path=services.home_path(obj), **detail)

    @admin.display(description=gettext_lazy("roles"))
    def roles(self, user: User) -> str:
        return "; ".join(f"{m.get_role_display()} · {m.org}" for m in user.memberships.all())

    @admin.action(description=gettext_lazy("Give a new password"))
    def new_password(self, request: HttpRequest, users: QuerySet[User]) -> None:
        for user in users:
            try:
                password = services.set_password(actor=request.user, user=user)
            except FengsuiError as error:
                self.message_user(request, str(error), messages.ERROR)
                continue
            words = _("Password of %(account)s, shown only now: %(password)s")
            self.message_user(
                request, words % {"account": user.username, "password": password}, messages.WARNING
            )

    @admin.action(description=gettext_lazy("Lift the lock after failed logins"))
    def unlock(self, request: HttpRequest, users: QuerySet[User]) -> None:
        self._each(request, users, lambda user: services.unlock(actor=request.user, user=user))

    @admin.action(description=gettext_lazy("Remove a lost second factor"))
    def remove_second_factor(self, request: HttpRequest, users: QuerySet[User]) -> None:
        self._each(request, users, lambda user: services.reset_second_factor(actor=request.user, user=user))

    @admin.action(description=gettext_lazy("Switch off"))
    def switch_off(self, request: HttpRequest, users: QuerySet[User]) -> None:
        self._each(
            request,
            users.exclude(pk=request.user.pk),
            lambda user: services.edit_user(actor=request.user, user=user, is_active=False),
        )

    @admin.action(description=gettext_lazy("Switch on"))
    def switch_on(self, request: HttpRequest, users: QuerySet[User]) -> None:
        self._each(
            request, users, lambda user: services.edit_user(actor=request.user, user=user, is_active=True)
        )

    def _each(self, request: HttpRequest, users: QuerySet[User], deed: Callable[[User], Any]) -> None:
        count = 0
        for user in users:
            deed(user)
            count += 1
        words = ngettext("%(count)d account changed.", "%(count)d accounts changed.", count)
        self.message_user(request, words % {"count": count}, messages.SUCCESS)
