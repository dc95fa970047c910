"""Scenario rules out of a file: rows that name a site, a template of the library and the site's datastreams.

    - {site: chem, code: runaway, template: runaway_reaction, names: {t: TI-9}, parameters: {hot: 150 °C}}

``in_force: true`` puts it in force.  Whatever else is said of ``services.FIELDS`` stands in place of what the template
says.  With one bad row none is kept.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from fengsui.sense.devices.models import Site
from fengsui.warn.scenarios import library, services
from fengsui.warn.scenarios.errors import BadScenarioRule, Fault
from fengsui.warn.scenarios.models import ScenarioRule
from fengsui.warn.scenarios.services import Bound

KNOWN = {"site", "code", "template", "names", "in_force", *services.FIELDS} - {"is_enabled"}


@transaction.atomic
def bring(actor: Any, rows: Any, sites: Sequence[str], *, force: bool = False) -> Counter[str]:
    """Create or change the rules that ``rows`` describe at ``sites`` (codes); one that people changed stays as it is.

    Raises BadScenarioRule that names every bad row.
    """
    done: Counter[str] = Counter()
    faults: list[Fault] = []
    if not isinstance(rows, list):
        raise BadScenarioRule([Fault("rows", _("This is not a list of scenario rules."))])
    for number, row in enumerate(rows, 1):
        try:
            with transaction.atomic():
                done[_one(actor, row, sites, force)] += 1
        except BadScenarioRule as error:
            where = _("rule %(number)s") % {"number": number}
            code = row.get("code", "") if isinstance(row, Mapping) else ""
            faults += [
                fault._replace(text=f"{where} {code}: {fault.field}: {fault.text}") for fault in error.faults
            ]
    if faults:
        raise BadScenarioRule(faults)
    return done


def _one(actor: Any, row: Any, sites: Sequence[str], force: bool) -> str:
    if not isinstance(row, Mapping) or (strange := [str(key) for key in row if key not in KNOWN]):
        said = _("Known are %(known)s.") % {"known": ", ".join(sorted(KNOWN))}
        raise BadScenarioRule([Fault(", ".join(strange) if isinstance(row, Mapping) else "row", said)])
    site = Site.objects.filter(code=str(row.get("site"))).first() if row.get("site") in sites else None
    if site is None:
        raise BadScenarioRule(
            [Fault("site", _("There is no site %(code)s here.") % {"code": str(row.get("site"))[:64]})]
        )
    template = library.templates().get(str(row.get("template", "")))
    if row.get("template") and template is None:
        known = ", ".join(library.templates())
        raise BadScenarioRule([Fault("template", _("The library has %(known)s.") % {"known": known})])
    values: dict[str, Any] = dict(template.values) if template else {}
    values |= {name: row[name] for name in services.FIELDS if name in row}
    said = row.get("parameters") or {}
    if template and isinstance(said, Mapping):
        values["parameters"] = {**template.values["parameters"], **{str(k): str(v) for k, v in said.items()}}
    values["is_enabled"] = bool(row.get("in_force", False))
    bound = _bound(site, template, row.get("names") or {})
    reason = _("loaded from a file")
    there = (
        ScenarioRule.objects.filter(site=site, code=str(row.get("code", ""))).select_related("site").first()
    )
    if there is None:
        services.create(
            actor, site, str(row.get("code", "")), values, bound, reason, template.code if template else ""
        )
        return "scenario rules added"
    last = there.changes.order_by("-version").first()
    if there.withdrawn_at is not None or (last and last.actor_name != str(actor or "") and not force):
        return "scenario rules kept as people left them"
    version = there.version
    kept = services.edit(actor, there, values, bound, reason)
    return "scenario rules changed" if kept.version != version else "scenario rules as before"


def _bound(site: Site, template: library.Template | None, names: Any) -> list[Bound]:
    if not isinstance(names, Mapping):
        raise BadScenarioRule([Fault("names", _("Names are words with codes of datastreams."))])
    there = {
        row.code: row for row in site.datastreams.filter(code__in=[str(code) for code in names.values()])
    }
    lost = [str(code) for code in names.values() if str(code) not in there]
    if lost:
        said = _("The site has no datastream %(codes)s.") % {"codes": ", ".join(lost)}
        raise BadScenarioRule([Fault("names", said)])
    bound = [Bound(str(name), there[str(code)]) for name, code in names.items()]
    if template is not None:
        missing = {wanted.name for wanted in template.inputs} - {b.name for b in bound}
        proposed, _none = library.propose(template, site)
        bound += [b for b in proposed if b.name in missing]
    return bound
