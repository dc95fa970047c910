"""Pages and public addresses of warnings: the whole way in a browser's words, strangers, the feed and its size."""

import datetime
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from fengsui.people.orgs.models import Membership
from fengsui.warn.cap import feeds
from fengsui.warn.cap.checks import check
from fengsui.warn.cap.signature import read_certificates
from fengsui.warn.warnings.models import Feed, Issuer, Message, State, Warning
from tests.warn.warnings.conftest import own_keys

__all__ = ["own_keys"]


def issuer(world) -> Issuer:
    return Issuer.objects.create(
        org=world.yichang, code="42050041600000", name="宜昌市气象台", name_en="Yichang Observatory"
    )


def message_row(world, **values) -> Message:
    now = timezone.now()
    row = {
        "org": world.yichang,
        "org_path": world.yichang.path,
        "sender": "42050041600000",
        "sent_at": now,
        "received_at": now,
        "expires_at": now + timedelta(hours=1),
        "document": b"x",
        "status": "Actual",
        "msg_type": "Alert",
        "scope": "Public",
    }
    return Message.objects.create(**(row | values))


def form(**changes):
    expires = timezone.localtime() + timedelta(hours=6)
    values = {
        "level": "2",
        "event_type": "11B03",
        "status": "Actual",
        "expires_at": expires.strftime("%Y-%m-%dT%H:%M"),
        "urgency": "Expected",
        "certainty": "Likely",
        "headline": "宜昌市气象台发布暴雨橙色预警",
        "description": "预计未来三小时全市降雨量将达五十毫米以上。",
        "responses": ["Prepare", "Avoid"],
        "instruction": "请远离低洼地带，减少外出，注意防范山洪。",
        "area_desc": "宜昌市",
        "divisions": ["420500"],
        "division_codes": "420502，420503",
        "polygons": "111.2,30.6 111.35,30.6 111.35,30.8",
        "circles": "111.3,30.7 2.5",
        "contact": "0717-0000000",
    }
    return values | changes


@pytest.fixture
def publish(world, own_keys, open_as):
    """Through the pages, by three people; gives the message."""

    def go(**changes) -> Message:
        row = Issuer.objects.first() or issuer(world)
        writer, reviewer, chief = world.officer, world.users["regulator"], world.users["commander"]
        response = open_as(writer).post("/warnings/new/", form(issuer=row.pk, **changes))
        assert response.status_code == 302, response.content.decode()
        where = response["Location"]
        pk = int(where.strip("/").split("/")[-1])
        for who, deed, more in (
            (writer, "submit", {}),
            (reviewer, "review", {}),
            (chief, "approve", {"typed": "橙色暴雨"}),
        ):
            version = Warning.objects.get(pk=pk).version
            open_as(who).post(f"{where}act/", {"deed": deed, "version": version, **more})
        from fengsui.stores.outbox.services import drain
        from tests.warn.warnings.bureau import HANDLERS

        drain(HANDLERS, 100, elsewhere=None)
        return Message.objects.get(warning=pk)

    return go


def test_three_people_publish_a_warning_through_the_pages_and_the_public_reads_it(world, publish, open_as):
    message = publish()
    public = open_as()
    feed = public.get("/cap/feed.atom")
    assert feed["Content-Type"].startswith("application/atom+xml")
    document = check(feed.content)
    assert document.all_problems() == ()
    (entry,) = document.entries
    assert entry.title == "宜昌市气象台发布暴雨橙色预警"
    path = "/" + entry.link.split("/", 3)[3]
    answer = public.get(path)
    assert answer["Content-Type"].startswith("application/cap+xml")
    assert answer.content == bytes(message.document)
    pem = public.get("/cap/certificate.pem").content
    told = check(answer.content, trusted=read_certificates(pem))
    assert told.all_problems() == ()
    area = told.alerts[0].alert.infos[0].areas[0]
    assert [pair.value for pair in area.geocodes] == ["420500", "420502", "420503"]
    assert area.circles[0].radius_km == 2.5


def test_who_asks_again_gets_no_body_and_never_anything_old(world, publish, open_as):
    publish()
    public = open_as()
    first = public.get("/cap/feed.atom")
    again = public.get("/cap/feed.atom", headers={"if-none-match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "no-cache" in first["Cache-Control"]
    publish(
        headline="宜昌市气象台发布暴雨橙色预警（二）",
        division_codes="",
        divisions=[],
        polygons="",
        area_desc="远处",
        circles="112.9,31.9 1",
    )
    assert public.get("/cap/feed.atom", headers={"if-none-match": first["ETag"]}).status_code == 200


def test_a_page_of_the_feed_is_under_100_kb_however_long_the_texts_are(world, own_keys, open_as):
    row = issuer(world)
    now = timezone.now()
    for i in range(120):
        warning = Warning.objects.create(
            issuer=row, org=world.yichang, org_path=world.yichang.path, level=2, event_type="11B03", made_at=now,
            content={"description": "＜" * 4000}, state=State.PUBLISHED,
        )  # fmt: skip
        long = {"headline": "&" * 160, "sender_name": "&" * 200, "event": "&" * 200}
        message_row(
            world, warning=warning, identifier=f"{row.code}_{i}", sent_at=now - timedelta(seconds=i), **long
        )
    public, address, seen = open_as(), "/cap/feed.atom", []
    while address:
        page = public.get(address)
        assert len(page.content) < feeds.MOST_BYTES
        document = check(page.content)
        seen += [entry.id for entry in document.entries]
        address = "/" + document.next.split("/", 3)[3] if document.next else ""
    assert len(seen) == len(set(seen)) == 120


def test_the_public_gets_neither_drafts_nor_exercises_nor_what_others_said(world, publish, open_as):
    exercise = publish(status="Exercise", note="演练")
    feed = Feed.objects.create(org=world.yichang, name="x", url="http://x.example/")
    message_row(world, feed=feed, identifier="theirs")
    public = open_as()
    assert b"<entry>" not in public.get("/cap/feed.atom").content
    for number in (exercise.identifier, "theirs", "nothing"):
        assert public.get(f"/cap/{number}.xml").status_code == 404


def test_an_update_takes_the_place_in_the_feed_and_a_cancellation_is_told(world, publish, open_as):
    first = publish()
    response = open_as(world.officer).post(f"/warnings/messages/{first.pk}/follow/", {"deed": "cancel"})
    where = response["Location"]
    pk = int(where.strip("/").split("/")[-1])
    for who, deed in (
        (world.officer, "submit"),
        (world.users["regulator"], "review"),
        (world.users["commander"], "approve"),
    ):
        version = Warning.objects.get(pk=pk).version
        open_as(who).post(f"{where}act/", {"deed": deed, "version": version, "typed": "橙色暴雨"})
    from fengsui.stores.outbox.services import drain
    from tests.warn.warnings.bureau import HANDLERS

    drain(HANDLERS, 100, elsewhere=None)
    (entry,) = check(open_as().get("/cap/feed.atom").content).entries
    assert "解除" in entry.title
    assert open_as().get(f"/cap/{first.identifier}.xml").status_code == 200  # it stays to be read


def test_approval_asks_for_the_words_typed(world, own_keys, open_as):
    row = issuer(world)
    writer, reviewer, chief = world.officer, world.users["regulator"], world.users["commander"]
    where = open_as(writer).post("/warnings/new/", form(issuer=row.pk))["Location"]
    open_as(writer).post(f"{where}act/", {"deed": "submit"})
    open_as(reviewer).post(f"{where}act/", {"deed": "review"})
    page = open_as(chief).get(where).content.decode()
    assert "橙色暴雨" in page
    answer = open_as(chief).post(f"{where}act/", {"deed": "approve", "typed": "ok"}, follow=True)
    assert "橙色暴雨" in answer.content.decode()
    assert Warning.objects.get().state == State.APPROVAL
    english = open_as(chief, "en")
    english.post(f"{where}act/", {"deed": "approve", "typed": "orange rainstorm"})
    assert Warning.objects.get().state == State.APPROVED


def test_what_stops_a_draft_stands_beside_it_in_both_languages(world, own_keys, open_as):
    row = issuer(world)
    where = open_as(world.officer).post("/warnings/new/", form(issuer=row.pk, instruction="", headline="x"))[
        "Location"
    ]
    assert "没有说公众该怎么办" in open_as(world.officer).get(where).content.decode()
    english = open_as(world.officer, "en").get(where).content.decode()
    assert "it does not say what people should do" in english
    answer = open_as(world.officer).post(f"{where}act/", {"deed": "submit"}, follow=True).content.decode()
    assert "不宜发布" in answer or "not fit" in answer
    assert Warning.objects.get().state == State.DRAFT


def test_what_cannot_be_read_is_said_at_its_field_and_nothing_typed_is_lost(world, own_keys, open_as):
    row = issuer(world)
    answer = open_as(world.officer).post(
        "/warnings/new/", form(issuer=row.pk, polygons="111.2;30.6", headline="保留的标题")
    )
    html = answer.content.decode()
    assert answer.status_code == 422
    assert "111.2;30.6" in html and "保留的标题" in html
    crossed = "111.2,30.6 111.3,30.8 111.3,30.6 111.2,30.8"
    answer = open_as(world.officer).post("/warnings/new/", form(issuer=row.pk, polygons=crossed))
    assert answer.status_code == 422


def test_a_draft_begins_from_an_alarm(world, own_keys, open_as):
    row = issuer(world)
    alarm = world.alarm()
    html = open_as(world.officer).get(f"/warnings/new/?alarm={alarm.pk}").content.decode()
    assert "东山化工厂" in html
    assert "111.29,30.69 1" in html
    response = open_as(world.officer).post(f"/warnings/new/?alarm={alarm.pk}", form(issuer=row.pk))
    assert Warning.objects.get().alarm == alarm
    assert "/warnings/new/?alarm=" in open_as(world.officer).get(f"/alarms/{alarm.pk}/").content.decode()
    assert response.status_code == 302
    assert open_as(world.stranger).get(f"/warnings/new/?alarm={alarm.pk}").status_code == 404


def test_without_an_issuer_the_page_says_what_to_do(world, open_as):
    html = open_as(world.officer, "en").get("/warnings/new/").content.decode()
    assert "unit code of 14 digits" in html


def test_a_stranger_sees_nothing_of_it_and_can_do_nothing(world, publish, open_as):
    message = publish()
    feed = Feed.objects.create(org=world.yichang, name="省气象台的源", url="http://feed.example/")
    draft = open_as(world.officer).post(
        "/warnings/new/", form(issuer=message.warning.issuer_id, area_desc="别处")
    )
    stranger = open_as(world.stranger)
    for show in ("in_force", "drafts", "ours", "others", "wrong"):
        html = stranger.get(f"/warnings/?show={show}").content.decode()
        assert "暴雨" not in html and feed.name not in html
        if show in ("in_force", "ours"):
            assert "暴雨橙色预警" in open_as(world.officer).get(f"/warnings/?show={show}").content.decode()
    for path in (
        f"/warnings/{message.warning_id}/",
        draft["Location"],
        f"/warnings/messages/{message.pk}/",
        f"/warnings/messages/{message.pk}/file.xml",
    ):
        assert stranger.get(path).status_code == 404
        assert open_as(world.nobody).get(path).status_code == 403
    assert stranger.post(f"/warnings/{message.warning_id}/act/", {"deed": "discard"}).status_code == 404
    assert stranger.post(f"/warnings/messages/{message.pk}/follow/", {"deed": "cancel"}).status_code == 404
    assert stranger.get("/api/v1/map/warnings").json()["features"] == []
    assert stranger.post("/warnings/new/", form(issuer=message.warning.issuer_id)).status_code == 422


def test_the_map_has_what_is_in_force_with_its_origin_the_worst_on_top(world, publish, open_as):
    message = publish()
    found = open_as(world.officer).get("/api/v1/map/warnings").json()["features"]
    assert [one["properties"]["id"] for one in found] == [message.pk]
    assert found[0]["properties"]["origin"] == ""
    assert found[0]["geometry"]["coordinates"][0][0][0] == [111.2, 30.6]
    Message.objects.update(expires_at=timezone.now())
    assert open_as(world.officer).get("/api/v1/map/warnings").json()["features"] == []


def test_an_area_without_an_outline_takes_that_of_its_division(
    world, publish, open_as, tmp_path, monkeypatch
):
    (tmp_path / "county.geojson").write_text(
        '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"code":"420502"},'
        '"geometry":{"type":"Polygon","coordinates":[[[111,30],[112,30],[112,31],[111,30]]]}}]}'
    )
    monkeypatch.setattr(settings, "LAYERS_ROOT", tmp_path)
    publish(divisions=[], division_codes="420502", polygons="", circles="")
    (one,) = open_as(world.officer).get("/api/v1/map/warnings").json()["features"]
    assert one["geometry"]["coordinates"] == [[[[111, 30], [112, 30], [112, 31], [111, 30]]]]


def test_others_messages_are_listed_with_what_is_wrong(world, open_as):
    from fengsui.warn.warnings import arrivals

    feed = Feed.objects.create(org=world.yichang, name="省气象台", url="http://feed.example/")
    from tests.warn.cap.faults import FAULTS

    data = FAULTS["time.zulu"]
    arrivals.keep(
        check(data).alerts[0],
        data,
        org=world.yichang,
        feed=feed,
        received_at=datetime.datetime.now(datetime.UTC),
    )
    row = Message.objects.get()
    assert "省气象台" in open_as(world.officer).get("/warnings/?show=wrong").content.decode()
    html = open_as(world.officer).get(f"/warnings/messages/{row.pk}/").content.decode()
    assert "time.zulu" in html and "世界时写 -00:00" in html
    english = open_as(world.officer, "en").get(f"/warnings/messages/{row.pk}/").content.decode()
    assert "write -00:00 for UTC" in english
    assert open_as(world.officer).get(f"/warnings/messages/{row.pk}/file.xml").content == data
    assert (
        open_as(world.officer).post(f"/warnings/messages/{row.pk}/follow/", {"deed": "cancel"}).status_code
        == 302
    )
    assert not Warning.objects.exists()


def test_issuers_and_feeds_are_kept_by_operators_within_reach(world, open_as):
    operator = world.users["operator"]
    operator.is_staff = True
    operator.save()
    row = issuer(world)
    client = open_as(operator, "en")
    assert row.code in client.get("/admin/warnings/issuer/").content.decode()
    far = world.user("operator", world.jingzhou, "far")
    far.is_staff = True
    far.save()
    assert row.code not in open_as(far).get("/admin/warnings/issuer/").content.decode()
    bad = client.post(
        "/admin/warnings/feed/add/",
        {"org": world.yichang.pk, "name": "x", "url": "ftp://x/", "period_s": 60, "certificates": "no"},
    )
    assert bad.status_code == 200
    assert not Feed.objects.exists()
    assert Membership.objects.filter(user=far).exists()
