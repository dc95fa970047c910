"""The one map: the region's own boundaries, every site by its state, no glyph file, no tile from elsewhere."""

from playwright.sync_api import expect


def colours(page) -> set[str]:
    """The distinct colours in a picture of the map, as "r,g,b"."""
    import io

    from PIL import Image

    image = Image.open(io.BytesIO(page.locator(".map-host").screenshot())).convert("RGB")
    return {",".join(map(str, colour)) for _, colour in image.getcolors(1 << 24)}


def test_the_region_and_a_red_site_are_drawn_and_a_click_opens_its_case(open_screen, assert_accessible):
    page = open_screen(with_map=True)
    seen = colours(page)
    assert "252,253,251" in seen  # --em-land
    assert "200,16,46" in seen  # the red of level 1
    assert "0,103,125" in seen  # the accent: boundary of the city, live sites
    assert_accessible(page)
    page.keyboard.press("j")
    expect(page.locator(".case h2")).to_contain_text("高高限")
    page.locator("html[data-map-idle]").wait_for()
    page.get_by_role("button", name="放大").click()
    page.locator("html[data-map-idle]").wait_for()
    page.get_by_role("button", name="回到全域").click()
    page.locator("html[data-map-idle]").wait_for()


def test_a_change_of_theme_draws_the_map_anew(open_screen):
    page = open_screen(with_map=True)
    page.locator("[data-theme-switch]").click()
    page.locator("html[data-theme=dark][data-map-idle]").wait_for()
    page.wait_for_timeout(300)
    page.locator("html[data-map-idle]").wait_for()
    seen = colours(page)
    assert "21,36,47" in seen  # --em-land of the dark theme
    assert "255,82,89" in seen


def test_the_map_asks_again_for_what_comes_into_view(open_screen):
    page = open_screen(with_map=True)
    with page.expect_request(lambda r: "map/sites" in r.url and "bbox" in r.url) as asked:
        page.get_by_role("button", name="放大").click()
    assert "zoom=" in asked.value.url


def test_thousands_of_sites_come_as_cells(open_screen, situation, monkeypatch):
    cell = {
        "cluster": True,
        "count": 1_234,
        "priority": None,
        "standing": 0,
        "live": 1_200,
        "late": 20,
        "stale": 10,
        "never": 4,
        "levels": [0, 0, 0, 0],
        "bounds": [110.9, 30.4, 111.6, 31.1],
    }
    feature = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [111.2, 30.7]},
        "properties": cell,
    }
    answer = {
        "type": "FeatureCollection",
        "at_ms": situation.now_ms,
        "clustered": True,
        "features": [feature],
    }
    monkeypatch.setattr(situation, "_map", lambda query: answer)
    page = open_screen(with_map=True)
    expect(page.locator(".situation")).to_contain_text("1,234")
    page.keyboard.press("m")
    expect(page.locator(".site-list")).to_contain_text("1234 个站点")
