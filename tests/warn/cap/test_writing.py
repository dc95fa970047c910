"""What is written can be read again, equal; what could not be read is not written; golden files for other systems."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fengsui.warn.cap import china, shapes, times
from fengsui.warn.cap import message as m
from fengsui.warn.cap.checks import check
from fengsui.warn.cap.reading import read_alert
from fengsui.warn.cap.rules import ERROR
from fengsui.warn.cap.signature import read_certificates
from fengsui.warn.cap.tree import parse
from fengsui.warn.cap.writing import CannotWrite, draft, write
from tests.warn.cap import alerts as random_alerts
from tests.warn.cap.alerts import rainstorm

GOLDEN = Path(__file__).parent / "golden"


def read(data: bytes) -> m.Alert:
    found = read_alert(parse(data).root).alert
    assert found is not None
    return found


@given(random_alerts.alerts)
def test_an_alert_survives_writing_and_reading(alert):
    again = read(draft(alert))
    assert replace(again, sent_text="") == alert
    assert draft(again) == draft(alert)


@given(random_alerts.messages)
def test_a_message_of_the_national_system_survives_its_own_form(message):
    root = parse(china.write(message)).root
    assert china.is_china(root)
    assert china.read(root)[0] == message


@given(random_alerts.messages)
def test_national_messages_and_cap_turn_into_each_other_without_loss(message):
    alert = china.to_cap(message)
    assert china.to_china(alert) == message
    through_xml = read(draft(alert))
    assert china.to_china(through_xml) == message
    assert replace(through_xml, sent_text="") == alert
    assert china.to_cap(china.to_china(alert)) == alert


@given(st.binary(max_size=400))
def test_arbitrary_bytes_never_raise(data):
    check(data)


@given(st.integers(0, 10_000), st.binary(max_size=8), st.sampled_from(["cap", "china", "signed"]))
def test_a_message_with_any_bytes_in_any_place_never_raises(place, noise, which):
    from tests.warn.cap.faults import BASE, CHINA, SIGNED

    data = {"cap": BASE.encode(), "china": CHINA.encode(), "signed": SIGNED}[which]
    place %= len(data)
    document = check(data[:place] + noise + data[place + 1 :])
    assert all(one.what().en and one.todo().zh for one in document.all_problems())


@given(random_alerts.moments)
def test_a_time_is_written_in_the_one_form_and_read_again(at):
    text = times.write(at)
    assert times.read(text) == (at, [])
    assert "Z" not in text and len(text) == 25


@given(random_alerts.polygons())
def test_a_polygon_is_written_and_read_again(points):
    again, broken = shapes.read_polygon(shapes.write_polygon(points))
    assert not set(broken) - {"polygon.swapped"}
    assert again == points


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=7, unique=True))
def test_sides_that_cross_are_found_as_shapely_finds_them(corners):
    import shapely

    ring = [(float(lat), float(lon)) for lat, lon in corners]
    ring.append(ring[0])
    if shapes.area(ring) == 0:
        return
    assert shapes.crosses(ring) is not shapely.Polygon([(lon, lat) for lat, lon in ring]).is_valid


@given(random_alerts.polygons(), random_alerts.polygons(), st.floats(-2, 2), st.floats(-2, 2))
def test_areas_overlap_where_shapely_says_so(one, other, north, east):
    import shapely

    moved = [
        (lat - other[0][0] + one[0][0] + north, lon - other[0][1] + one[0][1] + east) for lat, lon in other
    ]
    polygons = [shapely.Polygon([(lon, lat) for lat, lon in ring]) for ring in (one, moved)]
    assert shapes.overlap(one, moved) is bool(polygons[0].intersects(polygons[1]))


def test_what_would_be_refused_is_not_written():
    info = rainstorm().infos[0]
    with pytest.raises(CannotWrite) as caught:
        write(rainstorm(infos=(replace(info, severity="Terrible"),)))
    assert [one.rule for one in caught.value.problems] == ["enum.unknown"]
    with pytest.raises(CannotWrite) as caught:
        write(rainstorm("Cancel"))
    assert [one.rule for one in caught.value.problems] == ["reference.missing"]
    with pytest.raises(CannotWrite):
        write(rainstorm(identifier="a b"))


def goldens() -> dict[str, bytes]:
    """The messages that other systems read, and that independent programs judge (tools/check_cap.sh)."""
    first = rainstorm()
    reference = (m.Reference(first.sender, first.identifier, times.write(first.sent)),)
    red = replace(first.infos[0], severity="Extreme", parameters=(m.Pair("CN:severity", "Red"),),
        headline="宜昌市气象台升级发布暴雨红色预警")  # fmt: skip
    over = replace(
        first.infos[0], urgency="Past", responses=("AllClear",), headline="宜昌市气象台解除暴雨橙色预警"
    )
    drill = rainstorm(number=3, status="Exercise", note="2026年防汛演练")
    return {
        "alert.xml": write(first),
        "update.xml": write(rainstorm("Update", 1, references=reference, infos=(red,))),
        "cancel.xml": write(rainstorm("Cancel", 2, references=reference, infos=(over,))),
        "exercise.xml": write(drill),
        "national.xml": china.write(china.to_china(first)),
    }


@pytest.mark.parametrize("name", ["alert.xml", "update.xml", "cancel.xml", "exercise.xml", "national.xml"])
def test_golden_messages_are_written_as_they_were(name):
    data = goldens()[name]
    if os.environ.get("GOLDEN"):
        (GOLDEN / name).write_bytes(data)
    assert data == (GOLDEN / name).read_bytes(), f"{name} changed: GOLDEN=1 rewrites it; look at the diff"
    assert all(one.severity != ERROR for one in check(data).all_problems())


@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_the_signed_golden_message_is_still_valid(kind):
    """Signed once by a key that was thrown away: verification must go on accepting what went out."""
    data = (GOLDEN / f"signed-{kind}.xml").read_bytes()
    trusted = read_certificates((GOLDEN / f"signed-{kind}.pem").read_bytes())
    document = check(data, trusted=trusted)
    assert document.all_problems() == ()
    assert document.alerts[0].verdict.state == "valid"
    assert replace(document.alerts[0].alert, sent_text="") == rainstorm()
