"""Detectors in force on readings as they come to rest: what they raise, why, and that nobody's looking changes it."""

import numpy as np
import pytest

from fengsui.base.errors import NotAllowed
from fengsui.people.audit.models import Entry
from fengsui.stores import clock
from fengsui.stores.history import Catalogue, write_segments
from fengsui.stores.outbox.models import Event
from fengsui.warn.alarms.models import Alarm
from fengsui.warn.alarms.services import reconcile
from fengsui.warn.detecting import live, services, training
from fengsui.warn.detecting.errors import BadModel, DetectorState
from fengsui.warn.detecting.models import Finding, Run, Truth
from fengsui.warn.detecting.rows import closed
from tests.show.world import World
from tests.stores.history.conftest import NAMES, T0, make_rows

EVERY = 10_000
FIRST = T0 // EVERY
ROWS = 400
MIX = np.random.default_rng(7).normal(size=(2, 6))


def plant(rows, seed):
    chance = np.random.default_rng(seed)
    return 50 + chance.normal(size=(rows, 2)) @ MIX + 0.3 * chance.normal(size=(rows, 6))


class Works:
    """A site with six datastreams, a detector trained on made-up normal rows, and its readings by the row."""

    def __init__(self, method="unit"):
        self.world = World()
        self.site = self.world.add_site("works-1", "化工厂", self.world.plant_org)
        self.ids = [self.world.add_stream(self.site, f"D{k}", f"D{k}", "kPa").pk for k in range(6)]
        self.x = plant(ROWS, 3)
        self.x[100:160, 3] += 8
        self.detector = services.create("test", self.site, "反应单元", method, on_rows=3, off_rows=10)
        self.version(plant(900, 1))

    def version(self, x):
        learnt = training.learn(self.detector.method, x, EVERY, T0 - len(x) * EVERY)
        about = {"datastreams": self.ids, "codes": [f"D{k}" for k in range(6)], "from": "a", "to": "b"}
        about |= {"every_ms": EVERY, "rows": len(x), "hold": [0] * 6}
        return training.keep("test", self.detector, learnt, about)

    def store(self, first, last, delay_ms=200, columns=range(6)):
        """Readings of rows first to last − 1, each in the middle of its row."""
        at = T0 + np.arange(first, last) * EVERY + EVERY // 2
        ids = [self.ids[c] for c in columns]
        rows = make_rows(
            np.repeat(ids, len(at)), np.tile(at, len(ids)), self.x[first:last, list(columns)].T.ravel()
        )
        rows.received_ms = rows.time_ms + delay_ms
        catalogue = Catalogue.default()
        catalogue.add(write_segments(catalogue.folder, 0, rows, NAMES))

    def begin(self, **which):
        Run.objects.filter(**which).update(first_row=FIRST, row=FIRST, next_at=live._at(0))

    def look(self, row):
        """As if it were when ``row`` begins; until there is nothing more to do."""
        Run.objects.update(next_at=live._at(0))
        now_ms = T0 + row * EVERY
        while live.look(now_ms, most=1).runs:
            Run.objects.exclude(next_at__gt=live._at(now_ms + 1)).update(next_at=live._at(0))


@pytest.fixture
def works(db, settings, tmp_path):
    settings.HISTORY_ROOT = tmp_path / "history"
    return Works()


def said():
    """All that was found, as comparable as it gets."""
    alarms = [
        (a.key, a.kind, a.datastream.code, a.raised_at, a.raised_value, a.peak_value, a.peak_at, a.cleared_at)
        for a in Alarm.objects.select_related("datastream").order_by("key")
    ]
    found = [(f.key, f.peak, f.peak_at, f.cleared_at, str(f.parts)) for f in Finding.objects.order_by("key")]
    runs = [(r.row, bytes(r.memory), bytes(r.scores), r.late, r.passed_over) for r in Run.objects.all()]
    return alarms, found, runs


@pytest.mark.parametrize("method", ["unit", "charts", "course"])
def test_a_leap_is_an_alarm_with_its_reason_whose_doing_and_its_end(db, settings, tmp_path, method):
    settings.HISTORY_ROOT = tmp_path / "history"
    works = Works(method)
    services.activate("test", works.detector, 1, "trial")
    works.begin()
    works.store(0, ROWS)
    works.look(ROWS + 5)
    alarms = Alarm.objects.filter(kind="detector")
    alarm = alarms.get(raised_at__gte=live._at(T0 + 100 * EVERY), raised_at__lt=live._at(T0 + 104 * EVERY))
    assert (alarm.datastream.code, alarm.rule, alarm.priority) == ("D3", None, 3)
    assert alarm.key == f"d{works.detector.pk}:{round(alarm.raised_at.timestamp() * 1000)}"
    finding = alarm.finding
    first = finding.parts[0]
    assert first["datastream"] == works.ids[3] and first["share"] > 0.3 and finding.peak > 1
    sign = {"unit": {"t2q"}, "charts": {"ewma_up", "cusum_up"}, "course": {"above"}}[method]
    assert first["sign"] in sign and (first.get("by", 1) > 0)
    peak = round(finding.peak_at.timestamp() * 1000)
    assert alarm.peak_value == works.x[(peak - T0) // EVERY, 3]
    if method != "course":  # a forecast gets used to it
        assert live._at(T0 + 160 * EVERY) < alarm.cleared_at < live._at(T0 + 200 * EVERY)
    assert (alarm.grounds["detector"], alarm.grounds["name"]) == (works.detector.pk, "反应单元")
    assert "超限" in alarm.grounds["cause"] and "D3" in alarm.grounds["cause"]
    assert "times the limit" in alarm.grounds["cause_en"] and "D3" in alarm.grounds["cause_en"]
    assert alarm.deeds.order_by("id").first().what == "raised"
    topics = list(Event.objects.filter(payload__alarm_id=alarm.pk).values_list("topic", flat=True))
    assert topics[0] == "alarm.raised" and topics.count("alarm.raised") == 1
    reconcile([], 0, 1, T0)  # a pipeline that starts leaves alarms alone that are not its own
    assert Alarm.objects.get(pk=alarm.pk).cleared_at == alarm.cleared_at


def test_however_often_one_looks_and_however_it_is_cut_the_same_is_said(works, monkeypatch):
    services.activate("test", works.detector, 1, "trial")
    works.begin()
    works.store(0, ROWS)
    works.look(ROWS + 5)
    whole = said()
    assert whole[0] and whole[2][0][0] == FIRST + ROWS - 1, "the last row is not closed"
    for cut in (1, 7):
        Alarm.objects.all().delete()
        Finding.objects.all().delete()
        Run.objects.update(memory=b"", scores=b"", late=0, passed_over=0)
        Truth.objects.all().delete()
        works.begin()
        monkeypatch.setattr(live, "AT_ONCE", 13)
        for row in range(90 if cut == 1 else 0, ROWS + 5, cut):
            works.look(row)
        works.look(ROWS + 5)
        assert said() == whole, cut


def test_a_crash_in_the_middle_raises_nothing_twice(works, monkeypatch):
    services.activate("test", works.detector, 1, "trial")
    works.begin()
    works.store(0, ROWS)
    real = Run.save

    def killed(self, *args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        works.look(ROWS)
    assert not Alarm.objects.exists() and not Event.objects.filter(topic="alarm.raised").exists()
    monkeypatch.setattr(Run, "save", real)
    works.look(ROWS)
    works.look(ROWS)
    assert Event.objects.filter(topic="alarm.raised").count() == Alarm.objects.count() > 0


def test_what_came_too_late_for_its_row_does_not_count_whenever_one_looks(works):
    services.activate("test", works.detector, 1, "trial")
    works.begin()
    works.store(0, 50, columns=range(5))
    works.store(0, 50, columns=[5], delay_ms=45_000)  # four rows later
    works.look(60)
    run = Run.objects.get()
    assert run.row == FIRST + 49 and run.late == 49, "all of D5's rows that are closed"
    assert run.passed_over == 0, "half of the unit is enough to judge"


def test_silence_raises_and_clears_nothing_and_is_passed_over(works, monkeypatch):
    monkeypatch.setattr(live, "AT_ONCE", 40)
    services.activate("test", works.detector, 1, "trial")
    works.begin()
    works.store(0, 120)
    works.look(125)
    alarm = Alarm.objects.filter(kind="detector", cleared_at=None).get()
    works.store(300, ROWS)
    works.look(ROWS + 5)
    run = Run.objects.get()
    assert run.row == FIRST + ROWS - 1 and run.passed_over == 180
    alarm.refresh_from_db()
    assert alarm.cleared_at > live._at(T0 + 300 * EVERY)


def test_in_shadow_nobody_is_told_until_it_is_promoted(works):
    services.shadow(works.world.users["data_steward"], works.detector, 1, "look first")
    works.begin()
    works.store(0, 140)
    works.look(145)
    found = Finding.objects.get(cleared_at=None)
    assert found.is_shadow and found.key.startswith("sd") and found.alarm is None
    assert not Alarm.objects.exists() and not Event.objects.filter(topic="alarm.raised").exists()
    with pytest.raises(BadModel, match=r"Say why|说明"):
        services.promote(works.world.users["data_steward"], works.detector, " ")
    services.promote(works.world.users["data_steward"], works.detector, "three good weeks")
    found.refresh_from_db()
    assert found.alarm.key == found.key == f"d{works.detector.pk}:{T0 + 100 * EVERY}"
    works.store(140, ROWS)
    works.look(ROWS + 5)
    found.refresh_from_db()
    assert found.alarm.cleared_at is not None and Run.objects.get().is_shadow is False


def test_versions_are_put_in_force_rolled_back_and_switched_off_with_a_history(works):
    steward, detector = works.world.users["data_steward"], works.detector
    works.version(plant(700, 5))
    services.activate(steward, detector, 1, "first")
    works.begin()
    works.store(0, 140)
    works.look(145)
    assert Alarm.objects.filter(kind="detector", cleared_at=None).count() == 1
    services.activate(steward, detector, 2, "after the overhaul")
    assert not Alarm.objects.filter(kind="detector", cleared_at=None).exists(), "nobody watches it any more"
    with pytest.raises(DetectorState):
        services.activate(steward, detector, 2, "again")
    services.activate(steward, detector, 1, "worse than before")
    services.deactivate(steward, detector, "unit stands still")
    assert not Run.objects.exists()
    whats = [c.what for c in detector.changes.order_by("number")]
    assert whats == ["made", "trained", "trained", "activated", "activated", "rolled_back", "deactivated"]
    assert Entry.objects.filter(action="detector.rolled_back", actor_name=str(steward)).exists()
    with pytest.raises(NotAllowed):
        services.activate(works.world.stranger, detector, 1, "mine now")
    with pytest.raises(NotAllowed):
        services.activate(works.world.users["viewer"], detector, 1, "mine now")


def test_an_activation_begins_with_the_row_of_its_moment(works):
    services.activate("test", works.detector, 1, "trial")
    run = Run.objects.get()
    assert 0 <= clock.now_ms() // EVERY - run.row <= 1 and run.next_at <= clock.now()


def test_instruments_are_scored_on_schedule_and_a_frozen_one_is_an_alarm(works):
    services.set_values("test", works.detector, {"truth_below": 60, "priority": 4}, "as agreed")
    services.activate("test", works.detector, 1, "trial")
    works.begin()
    works.x[200:300, 5] = works.x[200, 5]
    works.store(0, ROWS)
    works.look(205)
    assert set(Truth.objects.values_list("score", flat=True)) == {100}
    works.look(310)
    row = Truth.objects.get(datastream=works.ids[5])
    assert row.score < 60 and row.reasons[0]["what"] == "frozen" and row.reasons[0]["rows"] > 60
    alarm = Alarm.objects.get(kind="truth")
    assert (alarm.datastream_id, alarm.priority, alarm.cleared_at) == (works.ids[5], 4, None)
    assert alarm.key == f"t{works.detector.pk}:{works.ids[5]}:{round(alarm.raised_at.timestamp() * 1000)}"
    assert alarm.finding.parts[0]["what"] == "frozen"
    services.deactivate("test", works.detector, "over")
    alarm.refresh_from_db()
    assert alarm.cleared_at is not None and not Truth.objects.exists()


def test_many_instruments_at_once_have_one_cause_and_are_one_alarm(works):
    services.activate("test", works.detector, 1, "trial")
    works.begin()
    works.x[200:300] = works.x[200]
    works.store(0, ROWS)
    works.look(310)
    (alarm,) = Alarm.objects.filter(kind="truth")
    assert alarm.key.startswith(f"u{works.detector.pk}:") and alarm.cleared_at is None
    assert [p["sign"] for p in alarm.finding.parts] == ["frozen"] * 6
    assert Truth.objects.filter(score__lt=40).count() == 6
    Truth.objects.all().delete()
    works.x = plant(900, 11)
    works.store(ROWS, 900)
    works.look(905)
    alarm.refresh_from_db()
    assert alarm.cleared_at is not None and Alarm.objects.filter(kind="truth").count() == 1


def test_a_version_that_cannot_be_read_says_so_and_harms_no_other(works):
    services.activate("test", works.detector, 1, "trial")
    works.begin()
    works.detector.versions.update(learnt=b"x")
    training._learnt.cache_clear()
    works.store(0, 20)
    Run.objects.update(next_at=live._at(0))
    live.look(T0 + 20 * EVERY)
    run = Run.objects.get()
    assert "checksum" in run.problem and run.row == FIRST


def test_rows_close_when_the_unit_speaks_of_a_later_time():
    import pyarrow as pa

    from fengsui.stores.history.rows import SCHEMA

    def table(rows):
        columns = list(zip(*sorted(rows), strict=True))
        ms = pa.timestamp("ms", "UTC")
        return pa.table(
            [
                pa.array(columns[0], pa.int32()), pa.array(columns[1], ms), pa.array(columns[2], pa.float64()),
                pa.array(columns[3], pa.uint8()), pa.array([0] * len(rows), pa.uint8()),
                pa.array(["a"] * len(rows)).dictionary_encode(), pa.array(columns[4], ms),
            ],
            schema=SCHEMA,
        )  # fmt: skip

    rows = [
        (1, 0, 1.0, 0, 10),
        (2, 5, 2.0, 0, 30),
        (1, 100, 3.0, 2, 110),
        (2, 130, 4.0, 0, 140),
        (1, 210, 5.0, 0, 220),
    ]
    found = closed(table(rows), [1, 2], [0, 0], 100, 0, 10, 20, 10_000)
    assert found.cells[0].tolist() == [1, 2] and found.received_ms.tolist() == [140]  # 130 ≥ 100 + 20
    found = closed(table(rows), [1, 2], [1, 0], 100, 0, 10, 0, 10_000)
    assert found.cells.tolist()[0] == [1, 2] and found.received_ms.tolist() == [110, 220]
    assert found.cells[1].tolist() == [1, 4], "a bad value is none; the one before is held for a row"
    assert len(closed(table(rows), [1, 2], [0, 0], 100, 0, 10, 0, 200).cells) == 1, "not settled yet"
    late = [*rows, (2, 50, 9.0, 0, 111)]
    found = closed(table(late), [1, 2], [0, 0], 100, 0, 10, 0, 10_000)
    assert found.cells[0].tolist() == [1, 2] and found.late == 1
