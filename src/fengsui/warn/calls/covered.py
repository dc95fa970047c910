"""Which places a message covers, and why: by the codes of its divisions, by points within its outlines.

A township, village, park or enterprise is asked; a county, city, province or bureau only where it has responsible
persons of its own.  A message that covers none of them goes to whoever sent it: never to nobody.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fengsui.base import codes, place
from fengsui.base.errors import BadInput
from fengsui.people.orgs.models import Org, OrgKind
from fengsui.sense.devices.models import Site
from fengsui.warn.warnings.models import Message

ASKED: frozenset[Any] = frozenset({OrgKind.TOWNSHIP, OrgKind.VILLAGE, OrgKind.PARK, OrgKind.ENTERPRISE})


@dataclass(frozen=True, slots=True)
class Covered:
    """A place and by what it is covered."""

    org: Org
    why: dict[str, Any]


def places(message: Message, with_contacts: frozenset[int] | set[int]) -> list[Covered]:
    """The places below the message's organisation that it covers.  ``with_contacts``: ids of those with persons."""
    below = {org.pk: org for org in Org.objects.filter(path__startswith=message.org_path)}
    why: dict[int, dict[str, Any]] = {}
    _by_division(message, below, why)
    _by_outline(message, below, why)
    found = [
        Covered(below[pk], reason)
        for pk, reason in why.items()
        if below[pk].kind in ASKED or pk in with_contacts
    ]
    if not found:
        found = [Covered(message.org, {"by": "issuer"})]
    return sorted(found, key=lambda one: one.org.path)


def _by_division(message: Message, below: dict[int, Org], why: dict[int, dict[str, Any]]) -> None:
    """The divisions named and everything under them, also enterprises, which have no code of their own."""
    named: list[tuple[str, str]] = []
    for code in message.divisions:
        try:
            named.append((codes.significant(code), code))
        except BadInput:
            continue  # others write what they like; the message's own check says so
    if not named:
        return
    roots = {
        org.path: code
        for org in below.values()
        if org.division_code
        for digits, code in named
        if codes.significant(org.division_code).startswith(digits)
    }
    starts = tuple(roots)
    for pk, org in below.items():
        if starts and org.path.startswith(starts):
            root = max((one for one in starts if org.path.startswith(one)), key=len)
            why.setdefault(pk, {"by": "division", "code": roots[root]})


def _by_outline(message: Message, below: dict[int, Org], why: dict[int, dict[str, Any]]) -> None:
    """Organisations whose place, or one of whose sites, lies within; and the townships, villages and parks above."""
    if not message.shapes:
        return
    sites = list(
        Site.objects.filter(org__in=below, is_active=True).only("org_id", "name", "longitude", "latitude")
    )
    points = [(org.longitude, org.latitude) for org in below.values()] + [
        (s.longitude, s.latitude) for s in sites
    ]
    lon = np.array([np.nan if x is None else x for x, _y in points], float)
    lat = np.array([np.nan if y is None else y for _x, y in points], float)
    inside = np.zeros(len(points), bool)
    for ring in message.shapes:
        inside |= _within(ring, lon, lat)
    n = len(below)
    for org, is_in in zip(below.values(), inside[:n], strict=True):
        if is_in:
            why.setdefault(org.pk, {"by": "place"})
    for site, is_in in zip(sites, inside[n:], strict=True):
        if not is_in:
            continue
        why.setdefault(site.org_id, {"by": "site", "name": site.name})
        for above in below[site.org_id].path.strip("/").split("/")[:-1]:
            over = below.get(int(above))
            if over is not None and over.kind in ASKED:
                why.setdefault(over.pk, {"by": "site", "name": site.name})


def _within(ring: Any, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    try:
        return place.polygon([ring]).depth_m(lon, lat) >= 0
    except BadInput:  # wider than a plane carries: by its bounds, so that nobody inside is left out
        points = np.array(ring, float)
        west, south = points.min(axis=0)
        east, north = points.max(axis=0)
        return (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)


def unplaced(message: Message) -> int:
    """How many townships and villages below have no place and so could not be found by an outline."""
    if not message.shapes:
        return 0
    rows = Org.objects.filter(path__startswith=message.org_path, kind__in=(OrgKind.TOWNSHIP, OrgKind.VILLAGE))
    return rows.filter(longitude=None).exclude(callouts__message=message).count()
