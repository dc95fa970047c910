"""The form of a warning in Chromium: an area drawn on the map is typed, and what is typed is drawn."""

import re

import pytest


@pytest.fixture
def issuer(officer):
    from fengsui.people.orgs.models import Org
    from fengsui.warn.warnings.models import Issuer

    return Issuer.objects.create(
        org=Org.objects.get(code="yichang"), code="42050041600000", name="宜昌市气象台"
    )


def test_an_area_is_drawn_on_the_map_saved_and_linted(issuer, open_screen, assert_accessible):
    page = open_screen("/warnings/new/", with_map=True)
    box = page.locator("#area-map canvas").bounding_box()
    assert box is not None
    page.locator("#area-map").scroll_into_view_if_needed()
    box = page.locator("#area-map canvas").bounding_box()
    page.get_by_role("button", name="画多边形").click()
    corners = [(0.4, 0.4), (0.6, 0.4), (0.6, 0.6)]
    for x, y in corners:
        page.mouse.click(box["x"] + box["width"] * x, box["y"] + box["height"] * y)
    page.get_by_role("button", name="完成").click()
    typed = page.locator("#id_polygons").input_value()
    assert re.fullmatch(r"(?:1\d\d\.\d+,\d\d\.\d+ ?){3}", typed), typed
    page.get_by_role("button", name="画圆").click()
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
    page.mouse.click(box["x"] + box["width"] * 0.55, box["y"] + box["height"] * 0.5)
    assert re.fullmatch(r"1\d\d\.\d+,\d\d\.\d+ \d+(?:\.\d+)?", page.locator("#id_circles").input_value())
    page.locator("#id_headline").fill("宜昌市气象台发布暴雨橙色预警")
    page.locator("#id_event_type").select_option("11B03")
    page.locator("#id_level").select_option("2")
    assert_accessible(page)
    page.get_by_role("button", name="保存草稿").click()
    page.locator("#lint .lint-stop").first.wait_for()
    from fengsui.warn.warnings.models import Warning

    saved = Warning.objects.get()
    assert len(saved.content["polygons"][0]) == 4
    assert saved.content["circles"][0][2] > 0
    assert "没有说公众该怎么办" in page.locator("#lint").inner_text()
    assert_accessible(page)


@pytest.mark.parametrize("size", ["desk", "wall", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_list_can_be_read_at_every_size(issuer, open_screen, assert_accessible, size, theme):
    page = open_screen("/warnings/?show=drafts", size=size, theme=theme)
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
