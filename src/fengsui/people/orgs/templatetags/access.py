"""``{% load access %}{% if request.user|may:"code.edit" %}``: may this person do it anywhere?"""

from typing import Any

from django import template

from fengsui.people.orgs import access

register = template.Library()


@register.filter
def may(user: Any, action: str) -> bool:
    return access.may(user, action)
