"""What the database knows and history does not: datastreams, the divisions of their sites, and alarms."""

from datetime import UTC, datetime

import pyarrow as pa

LEVELS = ("province", "city", "county", "township")


def streams() -> pa.Table:
    """Every active datastream: datastream int32, code, site int64, site_code, observed_property, period_ms int64."""
    from fengsui.sense.devices.models import Datastream

    names = ("datastream", "code", "site", "site_code", "observed_property", "period_ms")
    fields = ("id", "code", "site_id", "site__code", "observed_property__code", "period_ms")
    rows = list(Datastream.objects.filter(is_active=True).order_by("id").values_list(*fields))
    kinds = (pa.int32(), pa.string(), pa.int64(), pa.string(), pa.string(), pa.int64())
    found = list(zip(*rows, strict=True)) or [()] * len(names)
    return pa.table({n: pa.array(c, k) for n, c, k in zip(names, found, kinds, strict=True)})


def places() -> pa.Table:
    """Each site once for every division it lies in: site int64, division_code, level."""
    from fengsui.people.orgs.models import Org
    from fengsui.sense.devices.models import Site

    divisions = {
        org_id: (code, kind)
        for org_id, code, kind in Org.objects.filter(kind__in=LEVELS)
        .exclude(division_code="")
        .values_list("id", "division_code", "kind")
    }
    rows = [
        (site, *divisions[org])
        for site, path in Site.objects.order_by("id").values_list("id", "org_path")
        for org in map(int, path.strip("/").split("/"))
        if org in divisions
    ]
    found = list(zip(*rows, strict=True)) or [()] * 3
    kinds = {"site": pa.int64(), "division_code": pa.string(), "level": pa.string()}
    return pa.table({n: pa.array(c, k) for (n, k), c in zip(kinds.items(), found, strict=True)})


def alarms(from_ms: int, to_ms: int) -> pa.Table:
    """Every episode raised in [from_ms, to_ms): datastream int32, priority int64."""
    from fengsui.warn.alarms.models import Alarm

    since, until = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (from_ms, to_ms))
    rows = Alarm.objects.filter(raised_at__gte=since, raised_at__lt=until).values_list(
        "datastream_id", "priority"
    )
    found = list(zip(*rows, strict=True)) or [(), ()]
    return pa.table(
        {"datastream": pa.array(found[0], pa.int32()), "priority": pa.array(found[1], pa.int64())}
    )
