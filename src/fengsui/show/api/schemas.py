"""What the API answers.  Times are ``…_ms``, int64 UTC epoch; places are WGS 84, longitude first.

An alarm or a loop has the same shape here and on the live stream, so that a screen has one type for it.
"""

from datetime import datetime
from typing import Any, Literal

from ninja import Schema

Freshness = Literal["live", "late", "stale", "never"]
AlarmState = Literal["active_unacked", "active_acked", "cleared_unacked", "normal", "shelved", "suppressed"]


class OrgRef(Schema):
    id: int
    code: str
    name: str
    name_en: str


class MembershipOut(Schema):
    org: OrgRef
    path: str
    role: str


class MeOut(Schema):
    id: int
    username: str
    name: str
    language: str
    must_change_password: bool
    memberships: list[MembershipOut]
    may: dict[str, list[str]]  # action → path prefixes under which this user may do it; [""] is everywhere
    bounds: list[float] | None  # west, south, east, north of every site in sight


class SiteRef(Schema):
    id: int
    code: str
    name: str
    name_en: str
    lon: float
    lat: float


class SiteOut(SiteRef):
    kind: str
    org: OrgRef
    org_path: str
    address: str
    demo: bool
    active: bool
    datastreams: int
    observed_at_ms: int | None
    received_at_ms: int | None
    period_ms: int | None
    freshness: Freshness
    priority: int | None  # of the worst standing alarm, folded ones too: 1 red … 4 blue
    standing: int  # alarms that are shown for themselves
    folded: int  # alarms that are folded into others


class SitePage(Schema):
    items: list[SiteOut]
    next: str | None


class DatastreamRef(Schema):
    id: int
    code: str
    name: str
    name_en: str
    unit: str
    decimals: int


class RuleOut(Schema):
    id: int
    kind: str
    setpoint: float | None
    deadband: float
    on_delay_ms: int
    off_delay_ms: int
    window_ms: int
    priority: int
    enabled: bool
    shelved_until_ms: int | None
    basis: str
    version: int


class PropertyOut(Schema):
    code: str
    name: str
    name_en: str


class DatastreamOut(DatastreamRef):
    thing_id: int
    property: PropertyOut
    range_min: float | None
    range_max: float | None
    period_ms: int
    active: bool
    stopped_at_ms: int | None
    stopped_reason: str
    rules: list[RuleOut]


class ThingOut(Schema):
    id: int
    code: str
    name: str
    name_en: str
    description: str


class SiteDetail(Schema):
    site: SiteOut
    things: list[ThingOut]
    streams: list[DatastreamOut]
    may: dict[str, bool]


class LatestOut(Schema):
    """Columns of equal length; ``source`` says whether the pipeline answered or the history was read."""

    site: int
    at_ms: int
    source: Literal["pipeline", "history"]
    ids: list[int]
    time_ms: list[int]
    v: list[float | None]
    q: list[int]
    reason: list[int]


class Curve(Schema):
    rows: int  # stored in the span
    sampled: bool  # true when fewer points than rows are sent (least and largest of each bucket are kept)
    time_ms: list[int]
    v: list[float | None]
    q: list[int]
    reason: list[int]


class SpanOut(Schema):
    from_ms: int
    to_ms: int


class Shown(Schema):
    """How far readings can be relied on."""

    fresh: (
        bool  # false when the pipeline did not answer or is 10 s behind: the newest readings may be missing
    )
    as_of_ms: int | None  # everything accepted up to then is here
    only_aggregates: (
        SpanOut | None
    )  # where readings were deleted by policy: points are what minutes or hours name


class ReadingsOut(Shown, Curve):
    datastream: DatastreamRef
    from_ms: int
    to_ms: int


class CorrectionIn(Schema):
    from_ms: int
    to_ms: int
    reason: str
    value: float | None = None  # or factor and shift
    factor: float = 1.0
    shift: float = 0.0
    quality: int | None = None


class WithdrawIn(Schema):
    reason: str


class CorrectionOut(Schema):
    id: int
    from_ms: int
    to_ms: int
    factor: float  # 0: shift is the value
    shift: float
    quality: int | None
    reason: str
    made_at_ms: int
    made_by: str
    withdrawn_at_ms: int | None
    withdrawn_by: str
    withdrawn_reason: str


class CorrectionsOut(Schema):
    items: list[CorrectionOut]


class CurveOf(Curve):
    id: int


class CurvesOut(Shown):
    site: int
    from_ms: int
    to_ms: int
    curves: list[CurveOf]


class FoldOut(Schema):
    """Into which alarm it is folded: ``parent_id`` is shown instead; ``cause_id`` explains it, by a rule of folding."""

    parent_id: int
    cause_id: int | None
    rule: str
    relation: str  # feeds, carries, contains, connects, neighbour, same
    hops: int
    lag_ms: int  # raised so long after its cause
    at_ms: int | None


class ByOut(Schema):
    """What raised an alarm that no limit raised, and why, as it was then; in both languages."""

    what: Literal["scenario", "detector"]
    id: int
    version: int
    name: str
    name_en: str
    cause: str
    cause_en: str


class AlarmOut(Schema):
    type: Literal["alarm"] = "alarm"
    what: str  # on the live stream: what happened last
    id: int
    key: str
    version: int  # a message with a lower one is older, however late it comes
    site: SiteRef
    org_path: str
    datastream: DatastreamRef
    kind: str
    priority: int
    state: AlarmState
    setpoint: float | None
    raised_at_ms: int
    raised_value: float | None
    peak_value: float | None
    cleared_at_ms: int | None
    acked_at_ms: int | None
    acked_by: str | None
    shelved_until_ms: int | None
    suppressed: bool
    received_at_ms: int | None
    loop_id: int | None
    by: ByOut | None  # a scenario rule or a detector; None of a limit
    fold: FoldOut | None
    children: int  # alarms folded into it


class AlarmPage(Schema):
    items: list[AlarmOut]
    next: str | None


class ChildOut(AlarmOut):
    reason: str  # why it is folded, in the language of the request


class ChildPage(Schema):
    items: list[ChildOut]
    next: str | None
    all: int
    seen: int  # in sight of the user
    unacked: int  # not acknowledged, and the user may


class StormOut(Schema):
    """A site in a storm of alarms: ``raised`` in the last ten minutes, ``folded`` of these."""

    site: SiteRef
    org_path: str
    began_at_ms: int
    raised: int
    peak: int
    folded: int


class DeedOut(Schema):
    at_ms: int
    what: str
    actor: str
    note: str


class EvidenceOut(Schema):
    id: int
    name: str
    size: int
    sha256: str
    url: str


class LoopDeedOut(Schema):
    id: int
    at_ms: int
    step: str
    step_name: str
    action: str
    action_name: str
    actor: str
    note: str
    data: dict[str, Any]
    evidence: list[EvidenceOut]


class LoopOut(Schema):
    type: Literal["loop"] = "loop"
    id: int
    version: int
    kind: str
    kind_name: str
    kind_name_en: str
    key: str
    title: str
    title_en: str
    org: OrgRef
    org_path: str
    level: int
    step: str
    step_name: str
    step_name_en: str
    step_since_ms: int
    due_at_ms: int | None
    overdue: bool
    assignee: str | None
    escalation: int
    escalate_at_ms: int | None
    escalated_to: OrgRef | None
    about: dict[str, Any]
    facts: dict[str, Any]
    opened_at_ms: int
    closed_at_ms: int | None
    outcome: str


class LoopPage(Schema):
    items: list[LoopOut]
    next: str | None


class LoopStepOut(Schema):
    code: str
    name: str
    state: Literal["done", "now", "next"]


class ActionOut(Schema):
    """Something this user may do in the loop now; ``needs`` names what has to be given with it."""

    code: str
    name: str
    to: str | None
    needs: list[str]  # note, cause, measure, evidence


class CauseOut(Schema):
    code: str
    name: str
    needs_note: bool


class LoopDetail(Schema):
    loop: LoopOut
    steps: list[LoopStepOut]
    deeds: list[LoopDeedOut]
    actions: list[ActionOut]
    causes: list[CauseOut]
    alarm_id: int | None


class AlarmDetail(Schema):
    alarm: AlarmOut
    peak_at_ms: int | None
    cleared_value: float | None
    ack_note: str
    parent: AlarmOut | None  # shown instead of this one
    reason: str  # why it is folded, in the language of the request
    rule: RuleOut | None
    deeds: list[DeedOut]
    loop: LoopDetail | None
    may: dict[str, bool]


class TimelineOut(Schema):
    """Alarms raised: ``levels[priority - 1][bucket]``."""

    from_ms: int
    bucket_ms: int
    levels: list[list[int]]


class AckIn(Schema):
    note: str = ""
    children: bool = False  # also those folded into it


class AckManyIn(Schema):
    ids: list[int]
    note: str = ""


class Refusal(Schema):
    id: int
    code: str
    message: str


class AckManyOut(Schema):
    done: list[AlarmOut]
    refused: list[Refusal]


class ShelveIn(Schema):
    minutes: int
    reason: str


class UnshelveIn(Schema):
    reason: str = ""


class Geometry(Schema):
    type: Literal["Point"] = "Point"
    coordinates: list[float]


class Feature(Schema):
    type: Literal["Feature"] = "Feature"
    geometry: Geometry
    properties: dict[str, Any]


class FeatureCollection(Schema):
    type: Literal["FeatureCollection"] = "FeatureCollection"
    at_ms: int
    clustered: bool
    features: list[Feature]


class Areas(Schema):
    type: Literal["MultiPolygon"] = "MultiPolygon"
    coordinates: list[list[list[list[float]]]]


class WarningOnMap(Schema):
    id: int
    level: int | None
    headline: str
    headline_en: str
    origin: str
    expires_ms: int


class WarningFeature(Schema):
    type: Literal["Feature"] = "Feature"
    geometry: Areas
    properties: WarningOnMap


class WarningCollection(Schema):
    type: Literal["FeatureCollection"] = "FeatureCollection"
    at_ms: int
    features: list[WarningFeature]


class LayerOut(Schema):
    name: str
    title: str
    title_en: str
    source: str
    url: str
    bytes: int


class HitOut(Schema):
    kind: Literal["site", "datastream", "org", "alarm"]
    id: int
    code: str
    name: str
    name_en: str
    where: str
    url: str
    priority: int | None = None


class SearchOut(Schema):
    q: str
    hits: list[HitOut]


class RoleOut(Schema):
    role: str
    instance: str
    host: str
    since_ms: int | None
    at_ms: int | None
    ready: bool
    lag: dict[str, Any]


class StatusOut(Schema):
    ok: bool
    at_ms: int
    roles: list[RoleOut]


# ---- what moves ---------------------------------------------------------------------------------------------------


class UnitOut(Schema):
    """A moving unit and where it is; null where nothing is known."""

    id: int
    code: str
    name: str
    name_en: str
    kind: str
    terminal: str
    site: SiteRef
    org_path: str
    period_ms: int
    time_ms: int | None
    lon: float | None
    lat: float | None
    kmh: float | None
    deg: float | None
    freshness: Freshness
    priority: int | None  # of the worst standing alarm: 1 red … 4 blue


class UnitPage(Schema):
    items: list[UnitOut]
    next: str | None


class MediumOut(Schema):
    """A picture, sound or video of a device; ``url`` is null while, or once, the file is not here."""

    id: int
    device: str
    site: str
    thing: str | None
    protocol: str
    number: int | None  # the device's own
    kind: Literal["picture", "audio", "video"]
    event: int | None  # JT/T 808: 0 order of the platform, 1 timed, 2 robbery, 3 collision …
    channel: int | None
    taken_at: datetime | None
    told_at: datetime
    received_at: datetime | None
    removed_at: datetime | None
    longitude: float | None
    latitude: float | None
    speed_km_h: float | None
    direction_deg: float | None
    content_type: str
    size: int
    sha256: str
    asked_by: str
    command: str
    url: str | None


class MediumPage(Schema):
    items: list[MediumOut]
    next: str | None


class UnitsOnMap(Schema):
    """Units in columns of equal length, as the stream's ``units`` frames name them by ``ids``."""

    at_ms: int
    more: bool  # there are units beyond these
    ids: list[int]
    code: list[str]
    name: list[str]
    name_en: list[str]
    kind: list[str]
    site: list[str]
    period_ms: list[int]
    time_ms: list[int | None]
    lon: list[float | None]
    lat: list[float | None]
    kmh: list[float | None]
    deg: list[float | None]
    priority: list[int | None]
    streams: list[list[int]]  # datastreams of the unit, by which an alarm is known to be its


class PositionsIn(Schema):
    positions: list[dict[str, Any]]  # terminal, time, lon, lat, perhaps speed, course, accuracy


class BadPosition(Schema):
    row: int
    why: str


class PositionsOut(Schema):
    """``accepted`` rows are durable; ``refused`` ones are named, the first hundred of them."""

    rows: int
    accepted: int
    refused: int
    bad: list[BadPosition]


class HereOut(Schema):
    """Whose phone this is and since when they share its place; null when they do not."""

    unit: int
    name: str
    shared_at_ms: int | None


class HereIn(Schema):
    """Columns of equal length; what a phone does not know is null or left out."""

    time_ms: list[int]
    lon: list[float]
    lat: list[float]
    kmh: list[float | None] = []
    deg: list[float | None] = []
    accuracy_m: list[float | None] = []
