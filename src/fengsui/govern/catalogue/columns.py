"""The datastreams of one partition as columns: slot s is row s, the datastreams of a site side by side."""

from dataclasses import dataclass, fields

import numpy as np
from django.db import connection, transaction

from fengsui.govern.checks import CheckPolicy
from fengsui.stores import columns

ALWAYS = np.iinfo(np.int64).max  # stopped_ms of a datastream in service

COLUMNS = {
    "datastream": ("d.id", "int4"),
    "site": ("d.site_id", "int4"),
    "range_min": ("coalesce(d.range_min, '-Infinity')", "float8"),
    "range_max": ("coalesce(d.range_max, 'Infinity')", "float8"),
    "frozen_after_ms": ("coalesce(d.frozen_after_ms, 0)", "int4"),
    "stopped_ms": (f"coalesce((extract(epoch FROM d.stopped_at) * 1000)::bigint, {ALWAYS})", "int8"),
}
DATASTREAMS = "FROM devices_datastream d WHERE d.is_active AND d.site_id %% %s = %s"
SITES = "SELECT id, org_path FROM devices_site WHERE id %% %s = %s ORDER BY id"


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """``n`` slots, ``m`` sites, some without datastreams; the slots of site i are ``first[i]`` to ``first[i + 1]``."""

    datastream: np.ndarray  # int32 [n]
    site: np.ndarray  # int32 [n], rising
    range_min: np.ndarray  # float64 [n], -inf where open
    range_max: np.ndarray  # float64 [n], inf where open
    frozen_after_ms: np.ndarray  # int32 [n], 0 where not watched
    stopped_ms: np.ndarray  # int64 [n], ALWAYS where in service
    site_id: np.ndarray  # int32 [m], rising
    org_path: list[str]  # [m]
    first: np.ndarray  # int64 [m + 1]
    slot_of: np.ndarray  # int32, by datastream id: its slot or -1

    @property
    def n_slots(self) -> int:
        return len(self.datastream)

    @property
    def nbytes(self) -> int:
        """Room taken, without the paths."""
        held = (getattr(self, f.name) for f in fields(self))
        return sum(c.nbytes for c in held if isinstance(c, np.ndarray))

    def same_as(self, other: "Columns") -> bool:
        """Whether both hold the same."""
        return self.org_path == other.org_path and all(
            np.array_equal(getattr(self, f.name), getattr(other, f.name))
            for f in fields(self)
            if f.name != "org_path"
        )

    def slots(self, datastream: np.ndarray) -> np.ndarray:
        """The slot of each id (int [k]), -1 where there is none; int32 [k]."""
        inside = (datastream >= 0) & (datastream < len(self.slot_of))
        if inside.all():
            return self.slot_of[datastream]
        out = np.full(len(datastream), -1, np.int32)
        out[inside] = self.slot_of[datastream[inside]]
        return out

    def slots_of_site(self, site_id: int) -> slice:
        """The slots of one site; empty for a site that is not ours."""
        at = int(np.searchsorted(self.site_id, site_id))
        if at == len(self.site_id) or self.site_id[at] != site_id:
            return slice(0, 0)
        return slice(int(self.first[at]), int(self.first[at + 1]))

    def path_of(self, site_id: int) -> str:
        """The path of the organisation that a site belongs to, "" for a site that does not exist."""
        at = int(np.searchsorted(self.site_id, site_id))
        return self.org_path[at] if at < len(self.site_id) and self.site_id[at] == site_id else ""


def load(partition: int, partitions: int) -> Columns:
    """Read the active datastreams and the sites of a partition; no object a datastream."""
    with transaction.atomic(), connection.cursor() as cursor:
        found = columns.read(COLUMNS, DATASTREAMS, [partitions, partition])
        cursor.execute(SITES, [partitions, partition])
        sites = cursor.fetchall()
    order = np.argsort(found["site"].astype(np.int64) << 32 | found["datastream"])
    site_id = np.array([site for site, _ in sites], np.int32)
    return arrange([column[order] for column in found.values()], site_id, [path for _, path in sites])


def arrange(by_slot: list[np.ndarray], site_id: np.ndarray, org_path: list[str]) -> Columns:
    """The first six columns of ``Columns``, sorted by site, with what follows from them."""
    datastream, site, range_min, range_max, frozen_after_ms, stopped_ms = by_slot
    slot_of = np.full(int(datastream.max()) + 1 if len(datastream) else 0, -1, np.int32)
    slot_of[datastream] = np.arange(len(datastream), dtype=np.int32)
    first = np.append(np.searchsorted(site, site_id), len(site)).astype(np.int64)
    return Columns(
        datastream, site, range_min, range_max, frozen_after_ms, stopped_ms, site_id, org_path, first, slot_of
    )


def load_policy() -> CheckPolicy:
    """The clock tolerances in force."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT future_tolerance_ms, late_after_ms, refuse_older_than_ms
               FROM quarantine_checkpolicy WHERE name = 'default'"""
        )
        row = cursor.fetchone()
    return CheckPolicy(*row) if row else CheckPolicy()
