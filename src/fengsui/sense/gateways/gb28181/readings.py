"""From what a device measured to a batch on the bus: names of its datastreams, checks at the door, durably."""

import numpy as np

from fengsui.base.quality import Quality
from fengsui.sense.codecs.measured import Measured
from fengsui.sense.codecs.readings_json import Draft
from fengsui.sense.gateways import door
from fengsui.sense.gateways.publisher import Publisher
from fengsui.sense.gateways.registry import Registry


class Out:
    """Where readings go.  ``put`` returns when they are durable on the bus, refused ones too."""

    def __init__(self, registry: Registry, publisher: Publisher, admit: door.Admit = door.admit_all) -> None:
        self.readings = self.lost = 0
        self._registry, self._publisher, self._admit = registry, publisher, admit

    async def refresh(self) -> None:
        """See datastreams that were made a moment ago."""
        await self._registry.refresh()

    def require_sure_time(self, rows: list[Measured]) -> None:
        """Raises ClockUnsure while it is not to be judged whether ``rows`` are of now.

        Cameras set their clocks by the Date of our answers (GB/T 28181), so they are no witnesses.
        """
        said = [row.time_ms for row in rows if row.time_ms is not None]
        door.require_sure_time_of_no_witness(np.array(said, np.int64))

    async def put(self, site_id: int, source: str, rows: list[Measured]) -> None:
        """``rows`` at a site: the datastream of one is ``<device>.<code>``.  Raises Busy."""
        site = self._registry.snapshot.site_by_id.get(site_id)
        if site is None or not rows:
            self.lost += len(rows)
            return
        now = door.now_ms()
        batch = door.enter(
            draft(rows, now), site, self._registry.streams(site.id), f"gb28181:{source}", now, self._admit
        ).batch
        await self._publisher.publish(batch)
        self.readings += len(rows)

    async def keep(self, site_id: int, source: str, data: bytes) -> None:
        """A message that cannot be read, for the stewards of the site.  Raises Busy."""
        site = self._registry.snapshot.site_by_id.get(site_id)
        if site is not None:
            now = door.now_ms()
            await self._publisher.publish(door.unreadable(data, site, f"gb28181:{source}", now))


def draft(rows: list[Measured], now_ms: int) -> Draft:
    """Columns of what was measured; what has no time was measured now."""
    names = [f"{row.device}.{row.code}" for row in rows]
    codes, units = tuple(dict.fromkeys(names)), tuple(dict.fromkeys(("", *(row.unit for row in rows))))
    values = np.array([row.value for row in rows], np.float64)
    return Draft(
        None,
        codes,
        np.array([codes.index(name) for name in names], np.int32),
        np.array([now_ms if row.time_ms is None else row.time_ms for row in rows], np.int64),
        values,
        np.array(
            [Quality.BAD if v != v else int(r.quality) for r, v in zip(rows, values, strict=True)], np.uint8
        ),
        np.zeros(len(rows), np.uint8),
        units,
        np.array([units.index(row.unit) for row in rows], np.int32),
    )
