"""Say what an unmapped code means, at once: one row of CodeMapping, and the code leaves the list."""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from fengsui.base import units
from fengsui.base.errors import BadInput, UnknownUnit
from fengsui.people import audit
from fengsui.people.orgs import access
from fengsui.sense.devices.models import CodeMapping, Datastream, ObservedProperty, UnmappedCode


class BadMapping(BadInput):
    """A mapping to something that is not there, or of a unit that measures something else."""

    code = "sense.bad_mapping"


@transaction.atomic
def map_code(
    actor: Any,
    seen: UnmappedCode,
    *,
    datastream: str = "",
    observed_property: str = "",
    unit: str = "",
    factor: float = 1.0,
    shift: float = 0.0,
    whole_site: bool = False,
) -> CodeMapping:
    """Map the code for its device, or for every device of its site; neither target: it is known and not wanted.

    In force within seconds.  Raises NotAllowed, BadMapping.
    """
    device, site = seen.device, seen.device.site
    if actor is not None:
        access.require(actor, "device.edit", site.org_path, device)
    if datastream and observed_property:
        raise BadMapping(_("Name a datastream or an observed property, not both."))
    stream = (
        Datastream.objects.filter(site=site, code=datastream, is_active=True).first() if datastream else None
    )
    if datastream and stream is None:
        raise BadMapping(
            _("There is no datastream “%(code)s” in use at this site.") % {"code": datastream[:64]}
        )
    if observed_property and not ObservedProperty.objects.filter(code=observed_property).exists():
        raise BadMapping(_("There is no observed property “%(code)s”.") % {"code": observed_property[:64]})
    try:
        unit = units.unit(unit).code if unit else ""
        if stream is not None and stream.unit and (unit or seen.unit):
            units.factor_offset(unit or seen.unit, stream.unit)
    except UnknownUnit as error:
        raise BadMapping(str(error)) from error
    row, _made = CodeMapping.objects.update_or_create(
        protocol=seen.protocol, code=seen.code, site=site, device=None if whole_site else device, model="",
        defaults={
            "datastream": datastream, "observed_property": observed_property, "unit": unit, "factor": factor,
            "shift": shift,
        },
    )  # fmt: skip
    gone = UnmappedCode.objects.filter(protocol=seen.protocol, code=seen.code)
    gone.filter(device__site=site).delete() if whole_site else gone.filter(device=device).delete()
    audit.record(
        actor, "code.mapped", device, org_path=site.org_path, protocol=seen.protocol, code=seen.code,
        datastream=datastream, observed_property=observed_property, unit=unit, factor=factor, shift=shift,
        whole_site=whole_site,
    )  # fmt: skip
    return row
