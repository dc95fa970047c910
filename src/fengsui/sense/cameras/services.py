"""What can be done with video devices and cameras: add, give a password, take a catalogue in, move to another site.

What devices say comes from the role video; those functions take no actor.  Pictures and camera control are asked of
that role over the bus, after ``require_camera`` here said who may.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from fengsui.base.errors import BadInput
from fengsui.loops.models import Loop
from fengsui.people import audit
from fengsui.people.accounts.sealing import seal, unseal
from fengsui.people.orgs import access
from fengsui.sense.cameras.models import (
    GB_CODE,
    Camera,
    CameraEvent,
    LoopCamera,
    UnknownVideoDevice,
    VideoDevice,
    VideoDeviceState,
)
from fengsui.sense.devices.models import Datastream, ObservedProperty, Site, Thing
from fengsui.stores import outbox

PURPOSE = "gb28181 password"
MAX_UNKNOWN = 1000
PASSWORD_BYTES = 12

# code after the camera's own · observed property · zh · en · unit · range
STREAMS: dict[str, tuple[str, str, str, str, float | None, float | None]] = {
    "online": ("camera_online", "在线", "Online", "1", 0, 1),
    "alarm": ("camera_alarm", "报警", "Alarm", "1", 0, 1),
    "alarm.priority": ("camera_alarm_priority", "报警级别", "Alarm priority", "1", 0, 9),
    "alarm.method": ("camera_alarm_method", "报警方式", "Alarm method", "1", 0, 9),
    "position.longitude": ("longitude", "经度", "Longitude", "°", -180, 180),
    "position.latitude": ("latitude", "纬度", "Latitude", "°", -90, 90),
    "position.speed": ("speed", "速度", "Speed", "km/h", 0, 400),
    "position.direction": ("direction", "方向", "Direction", "°", 0, 360),
    "position.altitude": ("altitude", "海拔", "Altitude", "m", -500, 9000),
}
ALWAYS = ("online", "alarm")
DECIMALS = {"position.longitude": 6, "position.latitude": 6, "position.speed": 1}
PERIOD_MS = 60_000


class BadVideoDevice(BadInput):
    """A video device or camera cannot be kept as it is written."""

    code = "sense.bad_video_device"


@dataclass(frozen=True, slots=True)
class Listed:
    """An item of a catalogue, as far as it says something."""

    code: str
    name: str
    manufacturer: str = ""
    model: str = ""
    parent: str = ""
    civil_code: str = ""
    address: str = ""
    ptz_type: int = 0
    longitude: float | None = None
    latitude: float | None = None
    is_on: bool = True


@dataclass(frozen=True, slots=True)
class Known:
    """A device as the role video needs it: who it is, where its readings go, what it proves itself with."""

    id: int
    code: str
    site_id: int
    org_path: str
    password: str
    is_active: bool
    is_online: bool = False
    address: str = ""  # where it last registered from, and until when that holds
    expires_at: datetime | None = None
    version: str = ""


# ---- for people -------------------------------------------------------------------------------------------------


@transaction.atomic
def add_device(
    actor: Any, *, site: Site, code: str, name: str = "", password: str = ""
) -> tuple[VideoDevice, str]:
    """A new device of ``site`` and its password, which is made when none is given and shown this once.

    Raises NotAllowed and BadVideoDevice.  ``actor`` None is the platform itself (the command line).
    """
    if actor is not None:
        access.require(actor, "device.edit", site.org_path, site)
    if not GB_CODE.regex.match(code):
        raise BadVideoDevice(
            _("A video device has a code of 20 digits (GB/T 28181, annex D), not “%(code)s”.")
            % {"code": code[:40]}
        )
    if VideoDevice.objects.filter(code=code).exists():
        raise BadVideoDevice(_("There is a video device %(code)s already.") % {"code": code})
    ensure_properties()
    device = VideoDevice.objects.create(site=site, code=code, name=name[:120])
    VideoDeviceState.objects.create(device=device)
    shown = _set_password(device, password)
    _thing(site, code, name or code, {"gb28181": {"code": code}})
    ensure_streams(site, code, ("online",))
    UnknownVideoDevice.objects.filter(code=code).delete()
    audit.record(actor, "video_device.added", device, org_path=site.org_path, site=site.code)
    return device, shown


@transaction.atomic
def new_password(actor: Any, device: VideoDevice, password: str = "") -> str:
    """Give ``device`` a new password, and return it to be shown once; it registers anew.  Raises NotAllowed."""
    if actor is not None:
        access.require(actor, "device.edit", device.site.org_path, device)
    shown = _set_password(device, password)
    audit.record(actor, "video_device.password", device, org_path=device.site.org_path)
    return shown


@transaction.atomic
def move_camera(actor: Any, camera: Camera, site: Site) -> None:
    """Attach ``camera`` to ``site``: its datastreams go on there, the old ones are out of use and keep their readings.

    Raises NotAllowed unless the actor may edit devices at both sites.
    """
    camera = Camera.objects.select_for_update(of=("self",)).select_related("site", "thing").get(pk=camera.pk)
    if actor is not None:
        access.require(actor, "device.edit", camera.site.org_path, camera)
        access.require(actor, "device.edit", site.org_path, camera)
    if camera.site_id == site.pk:
        return
    before = camera.site
    old = list(Datastream.objects.filter(thing=camera.thing, code__startswith=f"{camera.code}."))
    suffixes = [stream.code.removeprefix(f"{camera.code}.") for stream in old if stream.is_active]
    for stream in old:
        stream.is_active = False
        stream.save(update_fields=["is_active"])
    camera.thing = _thing(site, camera.code, camera.name, camera.thing.properties)
    camera.site = site
    camera.save(update_fields=["thing", "site"])
    ensure_streams(site, camera.code, suffixes or ALWAYS)
    audit.record(actor, "camera.moved", camera, org_path=site.org_path, before=before.code, after=site.code)


@transaction.atomic
def put_beside(actor: Any, loop: Loop, camera: Camera) -> None:
    """Show ``camera`` beside a loop.  Raises NotAllowed."""
    access.require(actor, "video.view", camera.site.org_path, camera)
    access.require(actor, "loop.act", loop.org.path, loop)
    row, made = LoopCamera.objects.get_or_create(
        loop=loop, camera=camera, defaults={"by_name": str(actor), "at": timezone.now()}
    )
    if made:
        audit.record(actor, "loop.camera", loop, org_path=loop.org.path, camera=camera.code, row=row.pk)


@transaction.atomic
def take_away(actor: Any, loop: Loop, camera: Camera) -> None:
    """No longer show ``camera`` beside a loop.  Raises NotAllowed."""
    access.require(actor, "loop.act", loop.org.path, loop)
    gone, _kinds = LoopCamera.objects.filter(loop=loop, camera=camera).delete()
    if gone:
        audit.record(actor, "loop.camera.removed", loop, org_path=loop.org.path, camera=camera.code)


def require_camera(actor: Any, camera: Camera, action: str, **detail: Any) -> None:
    """Raise NotAllowed unless ``actor`` may do ``action`` with ``camera``, and keep that it was done."""
    access.require(actor, action, camera.site.org_path, camera)
    audit.record(actor, action, camera, org_path=camera.site.org_path, camera=camera.code, **detail)


# ---- for the role video -----------------------------------------------------------------------------------------


def known() -> dict[str, Known]:
    """Every device by its code; one whose password does not open is there and can prove nothing."""
    found = {}
    for row in VideoDevice.objects.select_related("site", "state"):
        state = getattr(row, "state", None)
        found[row.code] = Known(
            row.pk, row.code, row.site_id, row.site.org_path, password_of(row), row.is_active and row.site.is_active,
            *((state.is_online, state.address, state.expires_at, state.version) if state else ()),
        )  # fmt: skip
    return found


def password_of(device: VideoDevice) -> str:
    """The password, "" when there is none or this platform's key does not open it."""
    from fengsui.people.accounts.sealing import CannotUnseal

    try:
        return unseal(device.password_sealed, PURPOSE) if device.password_sealed else ""
    except CannotUnseal:
        return ""


def note_state(device_id: int, **values: Any) -> None:
    """Write what changed in a device's state."""
    VideoDeviceState.objects.update_or_create(device_id=device_id, defaults=values)


def note_seen(seen: Mapping[int, datetime]) -> None:
    """Write when devices were last heard, many at once."""
    rows = [VideoDeviceState(device_id=pk, last_seen_at=at) for pk, at in seen.items()]
    VideoDeviceState.objects.bulk_update(rows, ["last_seen_at"], batch_size=1000)


@transaction.atomic
def note_unknown(code: str, address: str, why: str, at: datetime) -> None:
    """Keep who wanted to register; the oldest give way."""
    code, address = code[:64].replace("\0", "") or "-", address[:80]
    row, made = UnknownVideoDevice.objects.select_for_update().get_or_create(
        code=code, address=address, why=why, defaults={"first_at": at, "last_at": at}
    )
    if not made:
        row.times, row.last_at = min(row.times + 1, 2**31 - 1), at
        row.save(update_fields=["times", "last_at"])
        return
    old = UnknownVideoDevice.objects.order_by("-last_at", "-pk").values_list("pk", flat=True)[MAX_UNKNOWN:]
    UnknownVideoDevice.objects.filter(pk__in=list(old)).delete()


@transaction.atomic
def take_catalogue(
    device_id: int, items: Iterable[Listed], at: datetime, *, is_whole: bool
) -> tuple[int, int, int]:
    """Cameras of a catalogue: (new, listed, gone).  ``is_whole``: those not listed are gone, but never deleted.

    A new camera is a Thing of the device's site until somebody moves it; then its site is left alone.
    """
    device = VideoDevice.objects.select_related("site").select_for_update(of=("self",)).get(pk=device_id)
    there = {camera.code: camera for camera in device.cameras.select_related("thing")}
    new = listed = 0
    seen = set()
    for item in items:
        seen.add(item.code)
        listed += 1
        values: dict[str, Any] = {
            "name": item.name[:120] or item.code, "manufacturer": item.manufacturer[:64], "model": item.model[:64],
            "parent": item.parent[:64], "civil_code": item.civil_code[:20], "address": item.address[:200],
            "ptz_type": item.ptz_type, "longitude": item.longitude, "latitude": item.latitude, "is_on": item.is_on,
            "listed_at": at, "gone_at": None,
        }  # fmt: skip
        camera = there.get(item.code)
        if camera is None:
            new += 1
            thing = _thing(
                device.site,
                item.code,
                values["name"],
                {"gb28181": {"code": item.code, "device": device.code}},
            )
            camera = Camera.objects.create(
                device=device, site=device.site, thing=thing, code=item.code, first_at=at, **values
            )
            ensure_streams(device.site, item.code, ALWAYS)
            continue
        if camera.name != values["name"]:
            Thing.objects.filter(pk=camera.thing_id).update(name=values["name"])
        for name, value in values.items():
            setattr(camera, name, value)
        camera.save(update_fields=list(values))
    gone = 0
    if is_whole:
        rows = device.cameras.filter(gone_at=None).exclude(code__in=seen)
        gone = rows.update(gone_at=at, is_online=False)
        VideoDeviceState.objects.filter(device=device).update(catalogue_at=at)
    if new:
        audit.record(
            f"device {device.code}",
            "camera.listed",
            device,
            org_path=device.site.org_path,
            new=new,
            listed=listed,
        )
    return new, listed, gone


@transaction.atomic
def set_online(online: Mapping[int, bool]) -> None:
    """Which cameras can be called, by their id."""
    for state in (True, False):
        ids = [pk for pk, is_online in online.items() if is_online is state]
        Camera.objects.filter(pk__in=ids).exclude(is_online=state).update(is_online=state)


@dataclass(frozen=True, slots=True)
class Channel:
    """A camera as the role video needs it."""

    id: int
    code: str
    device: str
    site_id: int
    is_on: bool


def channels() -> list[Channel]:
    """Every camera that is in a catalogue."""
    rows = Camera.objects.filter(gone_at=None).values_list("pk", "code", "device__code", "site_id", "is_on")
    return [Channel(*row) for row in rows]


def note_event(
    device_id: int, code: str, at: datetime, received_at: datetime, values: Mapping[str, Any]
) -> None:
    """Keep an alarm with its words."""
    device = VideoDevice.objects.get(pk=device_id)
    camera = Camera.objects.filter(device_id=device_id, code=code).first()
    CameraEvent.objects.create(
        device=device, site_id=camera.site_id if camera else device.site_id, camera=camera, code=code[:20], at=at,
        received_at=received_at, **values,
    )  # fmt: skip


@transaction.atomic
def ensure_streams(site: Site, code: str, suffixes: Iterable[str]) -> list[str]:
    """Datastreams ``<code>.<suffix>`` of the thing ``code`` at ``site`` where they are missing; names of the new."""
    thing = Thing.objects.filter(site=site, code=code).first()
    if thing is None:
        return []
    wanted = [suffix for suffix in suffixes if suffix in STREAMS]
    there = {
        stream.code: stream
        for stream in Datastream.objects.filter(site=site, code__in=[f"{code}.{suffix}" for suffix in wanted])
    }
    made: list[str] = []
    judged: list[int] = []  # those that have a rule from the beginning: run.handlers
    for suffix in wanted:
        name = f"{code}.{suffix}"
        if (stream := there.get(name)) is not None:
            if not stream.is_active:
                stream.is_active = True
                stream.save(update_fields=["is_active"])
            continue
        observed, zh, en, unit, low, high = STREAMS[suffix]
        row, _made = ObservedProperty.objects.get_or_create(
            code=observed, defaults={"name": zh, "name_en": en}
        )
        stream = Datastream.objects.create(
            site=site, thing=thing, observed_property=row, code=name, name=f"{thing.name} {zh}"[:120],
            name_en=f"{thing.name_en or thing.name} {en}"[:160], unit=unit, range_min=low, range_max=high,
            period_ms=PERIOD_MS, decimals=DECIMALS.get(suffix, 0),
        )  # fmt: skip
        made.append(name)
        judged += [stream.pk] if suffix in ALWAYS else []
    if judged:
        outbox.add("camera.listed", datastreams=judged)
    return made


def ensure_properties() -> None:
    """The observed properties of cameras.  Made before all else, so that no two writers wait for each other."""
    for observed, zh, en, *_rest in STREAMS.values():
        ObservedProperty.objects.get_or_create(code=observed, defaults={"name": zh, "name_en": en})


def ensure_streams_of(site_id: int, code: str, suffixes: Iterable[str]) -> list[str]:
    """The same by the number of the site."""
    return ensure_streams(Site.objects.get(pk=site_id), code, suffixes)


def _thing(site: Site, code: str, name: str, properties: dict[str, Any]) -> Thing:
    thing, _made = Thing.objects.get_or_create(
        site=site, code=code, defaults={"name": name[:120], "properties": properties}
    )
    return thing


def _set_password(device: VideoDevice, password: str) -> str:
    if len(password) > 64 or any(not one.isprintable() or one.isspace() for one in password):
        raise BadVideoDevice(_("A password has at most 64 letters, digits and signs, without blanks."))
    shown = password or secrets.token_urlsafe(PASSWORD_BYTES)
    device.password_sealed = seal(shown, PURPOSE)
    device.save(update_fields=["password_sealed"])
    return shown
