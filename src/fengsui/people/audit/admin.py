"""Admin of tables whose changes are kept in the audit trail, and the trail itself, read-only.

Every admin of ours inherits ``AuditedAdmin``; the admin site takes no other.
"""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from fengsui.people import audit
from fengsui.people.audit.columns import name_columns
from fengsui.people.audit.models import Entry
from fengsui.people.orgs import access
from fengsui.people.orgs.models import Org


class AuditedAdmin(admin.ModelAdmin):
    """A table that operators keep.  What they change is recorded with before and after, in the same transaction.

    ``path_field`` is where a row's organisation path stands (``"org_path"``, ``"site__org_path"``): rows out of reach
    are not listed.  None means one table for the whole platform: everybody with ``view_action`` reads it, and only who
    has ``edit_action`` at a root of the tree changes it.
    """

    view_action: ClassVar[str] = "code.edit"
    edit_action: ClassVar[str] = "code.edit"
    path_field: ClassVar[str | None] = None

    def __init__(self, model: type[Model], admin_site: admin.AdminSite) -> None:
        name_columns(model)
        super().__init__(model, admin_site)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        if self.path_field is None:
            return rows
        return rows.filter(access.rows_where(request.user, self.view_action, self.path_field))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access.may(request.user, self.view_action)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._may_edit(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may_edit(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may_edit(request, obj)

    def _may_edit(self, request: HttpRequest, obj: Any = None) -> bool:
        if self.path_field is None:
            return _may_at_a_root(request.user, self.edit_action)
        return access.may(request.user, self.edit_action, _path(obj, self.path_field) if obj else None)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Organisations to choose from are those within reach."""
        if db_field.related_model is Org and "queryset" not in kwargs:
            kwargs["queryset"] = access.orgs_where(request.user, self.edit_action)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        before = {name: form.initial.get(name) for name in form.changed_data} if change else {}
        after = {name: form.cleaned_data.get(name) for name in form.changed_data}
        super().save_model(request, obj, form, change)
        request.META["fengsui.changed"] = {"before": before, "after": after}

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._record(request, "created", obj, after=_changed(request).get("after", {}))
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        if message:
            self._record(request, "edited", obj, **_changed(request), rows=_rows(message))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        for obj in queryset:
            self._record(
                request, "removed", obj, before={f.name: f.value_from_object(obj) for f in obj._meta.fields}
            )
        return super().log_deletions(request, queryset)

    def _record(self, request: HttpRequest, what: str, obj: Model, **detail: Any) -> None:
        path = _path(obj, self.path_field) if self.path_field else ""
        detail = {key: value for key, value in detail.items() if value}
        audit.record(request.user, f"{self.opts.model_name}.{what}", obj, org_path=path, **detail)


class ReadOnlyAdmin(AuditedAdmin):
    """A table that nobody changes here."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyInline(admin.TabularInline):
    """Rows of another table on the page of the row they belong to; seen by whoever sees that page."""

    extra = 0
    can_delete = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AuditedInline(admin.TabularInline):
    """The same, and changed by whoever may change that page; the page's admin records it."""

    extra = 0

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._page(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._page(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._page(request, obj)

    def _page(self, request: HttpRequest, obj: Any) -> bool:
        page = self.admin_site.get_model_admin(self.parent_model)
        return bool(page.has_change_permission(request, obj))


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin):
    view_action = "audit.view"
    path_field = "org_path"
    list_display = ("at", "actor_name", "action", "object_name", "ok", "source_ip")
    list_filter = ("ok", "action")
    search_fields = ("actor_name", "object_name", "action")
    show_full_result_count = False
    list_per_page = 50


def _may_at_a_root(user: Any, action: str) -> bool:
    return any(path.count("/") <= 2 for path in access.paths_where(user, action))


def _path(obj: Any, field: str) -> str:
    value = obj
    for name in field.split("__"):
        value = getattr(value, name, None)
        if value is None:
            return ""
    return str(value)


def _changed(request: HttpRequest) -> dict[str, Any]:
    return request.META.get("fengsui.changed", {})


def _rows(message: Any) -> list[Any]:
    """What inline rows did, from Django's change message; the fields of the row itself are in before and after."""
    return [
        part for part in message if isinstance(part, dict) and any("name" in what for what in part.values())
    ]
