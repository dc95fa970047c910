"""``make pictures``: every screen and page of the running demonstration, as docs/pictures/*.png.

Starts the whole platform in a folder and on ports of its own, waits until the replayed plant has raised a red alarm
(about seven minutes: the pictures show real data), looks at everything in Chromium, and leaves nothing running.
``--running`` looks at a platform that runs already, at FENGSUI_PORT, with the demonstration loaded.
"""

import argparse
import io
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from fengsui.run.scratch import CHROMIUM, Scratch

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs" / "pictures"
PASSWORD = "Fengsui-demo-1"  # noqa: S105 — the demonstration's own, printed in the README
RED_S = 12 * 60
SAMPLE = (
    "##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;"
    "CP=&&RtdInterval=30&&1C80\r\n"
)
DESK, WALL, PHONE = (1440, 900), (1920, 1080), (390, 844)


def first_red(page: Page) -> None:
    """Open the case of the alarm on top."""
    page.keyboard.press("j")
    page.locator(".case .deeds").wait_for()


def first_row(page: Page) -> None:
    """Open the first record of the list."""
    kind = page.url.split("?")[0].rstrip("/").rsplit("/", 1)[1]
    page.locator(f"main table tbody a[href^='/{kind}/']").first.click()
    page.wait_for_url(f"**/{kind}/*/")


def explained(page: Page) -> None:
    """The standard's own sample of HJ 212."""
    page.locator("main select[name=protocol]").select_option("hj212")
    page.locator("main textarea").fill(SAMPLE)
    page.locator("main form button").first.click()
    page.locator("main table tbody tr").first.wait_for()


def as_table(page: Page) -> None:
    page.locator(".site-bar .btn-group").last.get_by_role("button").last.click()


@dataclass(frozen=True, slots=True)
class Picture:
    name: str
    path: str
    words: str
    size: tuple[int, int] = DESK
    language: str = "zh-CN"
    theme: str = "light"
    user: str = "duty"
    act: Callable[[Page], None] | None = None


PICTURES = (
    Picture("login", "/accounts/login/", "Login", user=""),
    Picture("desk", "/desk/", "Duty desk: queue, one map, situation, alarms over time"),
    Picture("desk-case", "/desk/", "Duty desk with the case of an alarm", act=first_red),
    Picture("desk-dark", "/desk/", "The same at night", theme="dark", act=first_red),
    Picture("desk-en", "/desk/", "The same in English", language="en-US", act=first_red),
    Picture("wall", "/desk/?mode=wall", "Wall: the newest red alarm has the stage", WALL, theme="dark"),
    Picture("wall-en", "/desk/?mode=wall", "Wall in English", WALL, "en-US", "dark"),
    Picture("phone", "/desk/", "Phone", PHONE),
    Picture("phone-case", "/desk/", "Phone with the case of an alarm", PHONE, act=first_red),
    Picture("site", "/sites/yc-chem/", "Site: every datastream live, with its setpoints"),
    Picture("site-dark", "/sites/yc-pump/", "Another site, at night", theme="dark"),
    Picture("site-table", "/sites/yc-chem/", "Site as a table of latest values", act=as_table),
    Picture("sites", "/sites/", "Sites"),
    Picture("alarms", "/alarms/", "Alarms"),
    Picture("alarm", "/alarms/?level=1", "One alarm with its loop", act=first_row),
    Picture("loops", "/loops/?show=open", "Loops"),
    Picture("loop", "/loops/?show=open", "One loop", act=first_row),
    Picture("rules", "/rules/", "Rules"),
    Picture("rule", "/rules/", "One rule and its history", user="steward", act=first_row),
    Picture("cameras", "/cameras/", "Cameras"),
    Picture("units", "/units/", "Moving units"),
    Picture("media", "/media/", "Pictures and recordings of devices"),
    Picture("fences", "/fences/", "Geofences"),
    Picture("unmapped", "/unmapped/", "Codes that nobody mapped", user="steward"),
    Picture("frames", "/frames/", "A frame explained field by field", user="steward", act=explained),
    Picture("warnings", "/warnings/", "Public warnings"),
    Picture("hazards", "/hazards/", "Major hazards"),
    Picture("risk", "/risk/", "Live risk"),
    Picture("risk-map", "/risk/map/", "Live risk as a cloud map"),
    Picture("scorecards", "/scorecards/", "Scorecards of warnings"),
    Picture("quarantine", "/quarantine/", "Quarantine", user="steward"),
    Picture("ledger", "/ledger/", "Loss ledger"),
    Picture("orgs", "/orgs/", "Organisations"),
    Picture("audit", "/audit/", "Audit trail", user="commander"),
    Picture("status", "/status/", "Platform status", user="operator"),
    Picture("operations", "/operations/", "Operations: rates, lag, ledger, slowest sites", user="operator"),
    Picture(
        "operations-wall",
        "/operations/?mode=wall",
        "Operations on a wall",
        WALL,
        theme="dark",
        user="operator",
    ),
    Picture("operations-phone", "/operations/", "Operations on a phone", PHONE, "en-US", user="operator"),
    Picture("search", "/search/?q=压力", "Search"),
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--running", action="store_true", help="look at the platform that runs already")
    parser.add_argument("names", nargs="*", help="only these pictures")
    args = parser.parse_args()
    chosen = [p for p in PICTURES if not args.names or p.name in args.names]
    if unknown := set(args.names) - {p.name for p in PICTURES}:
        parser.error(f"no such picture: {', '.join(sorted(unknown))}")
    chromium = shutil.which("chromium")
    if chromium is None:
        print("Chromium is missing: apt-get install -y --no-install-recommends chromium fonts-noto-cjk")
        return 1
    OUT.mkdir(parents=True, exist_ok=True)
    with already() if args.running else platform() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        states = {user: logged_in(browser, address, user) for user in {p.user for p in chosen} if user}
        if not args.running:
            wait_for_red(browser, address, states["duty"])
        for picture in chosen:
            shoot(browser, address, picture, states.get(picture.user))
            print(f"docs/pictures/{picture.name}.png")
        browser.close()
    if not args.names:
        write_index()
    return 0


@contextmanager
def already() -> Iterator[str]:
    yield f"http://127.0.0.1:{os.environ.get('FENGSUI_PORT', '8000')}"


@contextmanager
def platform() -> Iterator[str]:
    """``fengsui up --demo`` in a folder of its own; its address.  Stopped and removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="fengsui-pictures-") as folder:
        made = Scratch(Path(folder) / "var")
        made.up("--demo", seconds=240)
        try:
            yield made.url
        finally:
            made.stop()


def wait(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {seconds:.0f} s: {what}")
        time.sleep(2)


def logged_in(browser: Browser, address: str, user: str) -> Any:
    """The cookies of a session of ``user``."""
    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    page.goto(f"{address}/accounts/login/?next=/alarms/")
    page.fill("[name=login]", user)
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_url("**/alarms/")
    state = context.storage_state()
    context.close()
    return state


def wait_for_red(browser: Browser, address: str, state: Any) -> None:
    context = browser.new_context(storage_state=state)
    page = context.new_page()

    def is_red() -> bool:
        page.goto(f"{address}/api/v1/alarms?standing=true&level=1&size=1")
        return '"priority": 1' in page.content() or '"priority":1' in page.content()

    print("waiting for the first red alarm of the replayed plant …", flush=True)
    wait(is_red, RED_S, "a red alarm")
    time.sleep(45)  # so that its curve has something behind the mark
    context.close()


def shoot(browser: Browser, address: str, picture: Picture, state: Any) -> None:
    width, height = picture.size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        locale=picture.language,
        timezone_id="Asia/Shanghai",
        color_scheme="dark" if picture.theme == "dark" else "light",
        reduced_motion="reduce",
        storage_state=state,
    )
    page = context.new_page()
    page.add_init_script("""localStorage.setItem("fengsui.strip", '"h1"')""")
    page.goto(address + picture.path)
    if picture.path.startswith("/desk/"):
        page.locator("html[data-map-idle]").wait_for(timeout=60_000)
        page.locator("[role=option], .wall-rows li").first.wait_for()
    if picture.path == "/risk/map/":
        page.locator("html[data-map-idle]").wait_for(timeout=90_000)
    if "/sites/yc-" in picture.path:
        page.locator(".stream canvas").nth(7).wait_for()  # every curve in sight
    if picture.act:
        picture.act(page)
    page.wait_for_timeout(6_000 if picture.path.startswith(("/desk/", "/sites/yc-")) else 300)
    image = Image.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
    image.save(OUT / f"{picture.name}.png", optimize=True)
    context.close()


def write_index() -> None:
    lines = ["# Pictures", "", "Made by `make pictures` from the running demonstration.", ""]
    for picture in PICTURES:
        lines += [f"## {picture.words}", "", f"![{picture.words}]({picture.name}.png)", ""]
    (OUT / "README.md").write_text("\n".join(lines[:-1]) + "\n")


if __name__ == "__main__":
    sys.exit(main())
