"""The safety commitment on a phone: typed with a thumb, corrected or explained, given; the notice on the wall."""

import datetime

import pytest
from playwright.sync_api import expect


@pytest.fixture
def plant(officer):
    """The officer also answers for the plant's safety; a red alarm is active there."""
    from fengsui.people.orgs import services as orgs
    from fengsui.sense.devices.models import Site, Thing
    from fengsui.warn.commitments import services as commitments

    site = Site.objects.get(code="yc-chem")
    Thing.objects.create(site=site, code="reactor", name="反应器", name_en="Reactor")
    orgs.grant(actor=None, user=officer, org=site.org, role="safety_officer")
    commitments.oblige(
        None, site.org, deadline=datetime.time(10), kinds_of_sites=[site.kind], with_hazards=True, is_public=False,
        reason="x",
    )  # fmt: skip
    return site


def test_a_safety_officer_commits_on_a_phone(plant, open_screen, assert_accessible):
    page = open_screen("/commitments/", size="phone", allow=("422",))
    page.get_by_role("link", name="去承诺").click()
    assert_accessible(page)
    page.get_by_label("装置总数").fill("3")
    page.get_by_label("运行套数").fill("3")
    page.get_by_label("停车套数").fill("1")
    page.get_by_label("一级动火作业", exact=True).fill("1")
    page.get_by_label("低风险").check()
    page.get_by_label("承诺人（主要负责人）").fill("厂长甲")
    page.get_by_label("今日已开展风险研判").check()
    page.get_by_role("button", name="承诺").click()
    expect(page.get_by_role("alert")).to_contain_text("合计多于装置总数 3 套")
    page.get_by_label("停车套数").fill("0")
    page.get_by_label("今日已开展风险研判").check()
    page.get_by_role("button", name="承诺").click()
    expect(page.get_by_role("alert")).to_contain_text("不一致")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert_accessible(page)
    page.get_by_label("仅填 0 个作业票号").fill("票号九点补填")
    page.get_by_role("button", name="承诺").click()
    expect(page.locator("main")).to_contain_text("票号九点补填")
    expect(page.locator("main")).to_contain_text("与提交时一致")
    page.get_by_role("link", name="公告").click()
    expect(page.locator(".notice-board")).to_contain_text("厂长甲")
    assert_accessible(page)
