"""The board of a called warning in Chromium: time left, phone record, the strip that asks, and the page of a code."""

from datetime import timedelta

import pytest
from django.utils import timezone


@pytest.fixture
def called(officer):
    from fengsui.people.orgs import services as orgs
    from fengsui.people.orgs.models import Org
    from fengsui.warn.calls import services
    from fengsui.warn.calls.models import Contact
    from fengsui.warn.warnings.models import Message

    city = Org.objects.get(code="yichang")
    county = orgs.create_org(
        actor=None, parent=city, kind="county", code="xiaoting", name="猇亭区", name_en="Xiaoting District",
        division_code="420505",
    )  # fmt: skip
    for number, name in ((1, "古老背街道"), (2, "虎牙街道")):
        town = orgs.create_org(
            actor=None,
            parent=county,
            kind="township",
            code=f"t{number}",
            name=name,
            division_code=f"42050500{number}",
        )
        Contact.objects.create(org=town, name=f"{name}值班室", phone="0717-0000000")
    now = timezone.now()
    message = Message.objects.create(
        org=city, org_path=city.path, sender="42050000000000", identifier="x_1", sent_at=now, received_at=now,
        expires_at=now + timedelta(hours=1), document=b"x", status="Actual", msg_type="Alert", scope="Public",
        level=1, event="暴雨", headline="宜昌市发布暴雨红色预警", divisions=["420505"],
    )  # fmt: skip
    services.published(message.pk)
    return message


def test_a_duty_officer_records_a_call_and_the_figures_follow(called, open_screen, assert_accessible):
    page = open_screen(f"/calls/{called.pk}/")
    page.get_by_text("叫应中").first.wait_for()
    assert ":" in page.locator("[data-left]").first.inner_text()
    assert_accessible(page)
    summary = page.locator("#board details summary").first
    summary.focus()  # whoever is at work in the board is not refreshed away
    summary.press("Enter")
    page.get_by_label("通话人").first.fill("虎牙街道值班室")
    page.get_by_label("通话人").first.press("Enter")
    page.locator("#board .badge-ok", has_text="已确认").first.wait_for()
    assert page.locator("#board .figures dd").nth(2).inner_text() == "50.0%"


@pytest.mark.parametrize("size", ["desk", "wall", "phone"])
def test_the_board_fits_every_size(called, open_screen, assert_accessible, size):
    page = open_screen(f"/calls/{called.pk}/", size=size, language="en-US" if size == "wall" else "zh-CN")
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_code_is_confirmed_on_a_phone(called, open_screen, assert_accessible):
    from fengsui.warn.calls import codes
    from fengsui.warn.calls.models import Call, Callout

    call = Call.objects.first()
    page = open_screen("/contacts/", size="phone")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.goto(f"{page.url.split('/contacts')[0]}/confirm/{codes.of(call.callout_id, call.number)}/")
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="我已收到这条预警").click()
    page.locator(".notice-success").wait_for()
    assert Callout.objects.get(pk=call.callout_id).how == "code"
