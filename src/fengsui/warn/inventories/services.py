"""What can be done with inventories: check a file, keep it as the next version, identify again."""

import hashlib
import io
import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.sense.devices import files
from fengsui.sense.devices.models import Site
from fengsui.stores import clock, outbox
from fengsui.warn.hazards import answer as answers
from fengsui.warn.hazards import inventory as reading
from fengsui.warn.inventories import folder
from fengsui.warn.inventories.errors import BadInventory
from fengsui.warn.inventories.models import Identification, Inventory, InventoryRow, MajorHazard

MAX_BYTES = 32 << 20
CHANGED = "hazard.identified"  # topic of the outbox


@dataclass(frozen=True, slots=True)
class Checked:
    """A file as it was read: its answer, its rows by column, its checksum.  ``problems`` are in the answer."""

    answer: dict[str, Any]
    rows: list[tuple[int, dict[str, str]]]
    sha256: str
    is_readable: bool  # False: a row could not be read, so nothing can be kept


def tables() -> Any:
    """The tables in use.  Raises BadHazardTable."""
    return folder.load(settings.HAZARD_TABLES)


def check(raw: bytes) -> Checked:
    """Read and reckon, and keep nothing.  Raises BadFile, BadInventory, BadHazardTable."""
    if len(raw) > MAX_BYTES:
        raise BadInventory(_("The file is larger than %(most)s MiB: split it.") % {"most": MAX_BYTES >> 20})
    cells = list(files.rows(io.BytesIO(raw)))
    found = reading.read(cells)
    return Checked(
        answer=answers.answer(found, tables()),
        rows=_by_column(cells),
        sha256=hashlib.sha256(raw).hexdigest(),
        is_readable=not found.problems,
    )


@transaction.atomic
def keep(
    actor: Any, site: Site, raw: bytes, source: str, note: str = "", *, is_demo: bool = False
) -> Inventory:
    """The next version of the site's inventory, identified at once; the same file again changes nothing.

    ``actor`` is a user, or a text that names a machine.  Raises NotAllowed, BadFile, BadHazardTable, BadInventory
    (a row cannot be read: a unit without it looks smaller than it is).
    """
    if actor is not None and not isinstance(actor, str):
        access.require(actor, "hazard.edit", site.org_path, site)
    site = Site.objects.select_for_update().get(pk=site.pk)
    checked = check(raw)
    if not checked.is_readable:
        raise BadInventory(
            _("Some rows cannot be read. Check the file first, correct them and import it again.")
        )
    last = site.inventories.order_by("-number").first()
    if last is not None and last.sha256 == checked.sha256:
        return last
    made = Inventory.objects.create(
        site=site, number=(site.inventories.aggregate(n=Max("number"))["n"] or 0) + 1, made_at=clock.now(),
        actor_name=_name(actor), note=note[:200], source=source[:200], sha256=checked.sha256,
        is_demo=is_demo or site.is_demo,
    )  # fmt: skip
    InventoryRow.objects.bulk_create(
        InventoryRow(
            inventory=made, number=number, unit=said.get("unit", "")[:200], substance=said.get("name", "")[:200],
            cas=said.get("cas", "")[:20], said=said,
        )
        for number, said in checked.rows
    )  # fmt: skip
    run = _identified(actor, made, checked.answer)
    audit.record(
        actor, "hazard.inventory_kept", made, org_path=site.org_path, site=site.code, number=made.number,
        sha256=made.sha256, hazards=run.hazards.count(),
    )  # fmt: skip
    return made


@transaction.atomic
def identify_again(actor: Any, inventory: Inventory) -> Identification:
    """One more run over the newest version, with the tables of today.  Raises NotAllowed, BadInventory."""
    if actor is not None:
        access.require(actor, "hazard.edit", inventory.site.org_path, inventory.site)
    site = Site.objects.select_for_update().get(pk=inventory.site_id)
    if site.inventories.filter(number__gt=inventory.number).exists():
        raise BadInventory(_("There is a newer version of this inventory."))
    columns = list(reading.COLUMNS)
    cells = [(1, columns)]
    cells += [(row.number, [row.said.get(one, "") for one in columns]) for row in inventory.rows.all()]
    run = _identified(actor, inventory, answers.answer(reading.read(cells), tables()))
    audit.record(
        actor, "hazard.identified", inventory, org_path=site.org_path, site=site.code,
        tables=run.tables_sha256, hazards=run.hazards.count(),
    )  # fmt: skip
    return run


def _identified(actor: Any, inventory: Inventory, found: dict[str, Any]) -> Identification:
    used = json.dumps(found["tables"], ensure_ascii=False, sort_keys=True)
    origins = tables().origins
    digest = hashlib.sha256(
        (used + "".join(str(one) for _, one in sorted(origins.items()))).encode()
    ).hexdigest()
    run = Identification.objects.create(
        inventory=inventory, at=clock.now(), actor_name=_name(actor), tables=found["tables"], tables_sha256=digest,
        answer=found, is_complete=found["complete"], processes=len({one["no"] for one in found["processes"]}),
    )  # fmt: skip
    MajorHazard.objects.filter(site_id=inventory.site_id, is_current=True).update(is_current=False)
    MajorHazard.objects.bulk_create(
        MajorHazard(
            identification=run, site_id=inventory.site_id, unit=unit["unit"], kind=unit["kind"], grade=unit["grade"],
            s=unit["s"] or "", r=unit["r"] or "",
        )
        for unit in found["units"]
        if unit["is_major"]
    )  # fmt: skip
    outbox.add(CHANGED, site_id=inventory.site_id)
    return run


def _by_column(cells: list[tuple[int, list[str]]]) -> list[tuple[int, dict[str, str]]]:
    known = {alias: name for name, aliases in reading.COLUMNS.items() for alias in (name, *aliases)}
    if not cells:
        return []
    head = [known.get(c.strip().casefold().replace("（", "(").replace("）", ")"), "") for c in cells[0][1]]
    return [
        (number, {name: text.strip() for name, text in zip(head, row, strict=False) if name and text.strip()})
        for number, row in cells[1:]
    ]


def _name(actor: Any) -> str:
    return "platform" if actor is None else str(actor)
