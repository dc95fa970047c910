"""The live map in a browser while 1,000 vehicles move on it at 1 Hz: frames a second, long tasks, memory.

The platform, the vehicles and Chromium run here, on the same cores; without a graphics card Chromium draws by software,
and the first figure's note says with what.  Needs playwright and Chromium, as the browser tests do.
"""

import asyncio
import shutil
from typing import Any

from fengsui.run.benches.figure import Figure, figure
from fengsui.run.benches.units import PATIENCE_S, UNITS, Fleet, logged_in, raise_failures, running
from fengsui.run.scratch import CHROMIUM

ABOUT = "the duty desk's map in Chromium with 1,000 units at 1 Hz: frames a second, long tasks, memory"
SIZE = {"width": 1440, "height": 900}
SETTLE_S = 10.0
LONG_MS = 50  # a task of the main thread that a hand feels (W3C Long Tasks)

WATCH = """() => {
  const seen = (window.__bench = {frames: [], long: [], from: performance.now()});
  const frame = (at) => { seen.frames.push(at); requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
  new PerformanceObserver((list) => { for (const one of list.getEntries()) seen.long.push(one.duration); })
    .observe({entryTypes: ["longtask"]});
}"""
READ = """() => {
  const canvas = document.createElement("canvas").getContext("webgl");
  const info = canvas && canvas.getExtension("WEBGL_debug_renderer_info");
  return {...window.__bench, until: performance.now(), heap: performance.memory.usedJSHeapSize,
          card: info ? canvas.getParameter(info.UNMASKED_RENDERER_WEBGL) : "no WebGL"};
}"""
RESET = "() => { Object.assign(window.__bench, {frames: [], long: [], from: performance.now()}); }"


def bench(seconds: float) -> list[Figure]:
    with running(fenced=False) as (made, port, told, _pids):
        return asyncio.run(_measure(made.url, port, told, max(20.0, seconds)))


async def _measure(url: str, port: int, told: dict[str, Any], seconds: float) -> list[Figure]:
    from playwright.async_api import async_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise RuntimeError("Chromium is missing: apt-get install -y --no-install-recommends chromium")
    fleet = Fleet(port, told["units"])
    drives = [asyncio.create_task(fleet.drive(n)) for n in range(UNITS)]
    try:
        await logged_in(fleet, drives)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=chromium, args=[*CHROMIUM, "--enable-precise-memory-info"]
            )
            context = await browser.new_context(viewport=SIZE, locale="zh-CN")  # type: ignore[arg-type]
            await context.add_cookies([{"name": "sessionid", "value": told["session"], "url": url}])
            page = await context.new_page()
            unit = told["units"][0]
            await page.goto(f"{url}/desk/?unit={unit}", timeout=PATIENCE_S * 1000)
            await page.locator("html[data-map-idle]").wait_for(timeout=PATIENCE_S * 1000)
            await page.evaluate(WATCH)
            await page.wait_for_timeout(SETTLE_S * 1000)
            still = await page.evaluate(READ)
            fleet.going.set()
            await page.wait_for_timeout(SETTLE_S * 1000)
            await page.evaluate(RESET)
            first = await page.evaluate(READ)
            await page.wait_for_timeout(seconds * 1000)
            moving = await page.evaluate(READ)
            raise_failures(drives)
            await browser.close()
    finally:
        fleet.ending.set()
        for task in drives:
            task.cancel()
        await asyncio.gather(*drives, return_exceptions=True)
    return _figures(still, first, moving)


def _figures(still: dict[str, Any], first: dict[str, Any], moving: dict[str, Any]) -> list[Figure]:
    span_s = (moving["until"] - moving["from"]) / 1000
    gaps = sorted(b - a for a, b in zip(moving["frames"], moving["frames"][1:], strict=False))
    if not gaps:
        raise RuntimeError("the page drew no frame")
    alone = len(still["frames"]) / ((still["until"] - still["from"]) / 1000)
    note = f"{UNITS} units at 1 Hz, {SIZE['width']} × {SIZE['height']}, {moving['card']}"
    long = moving["long"]
    return [
        figure("frames while all move", "1/s", len(moving["frames"]) / span_s, note),
        figure("frames while none moves", "1/s", alone, "the same page before, as what this machine can do"),
        figure("between two frames p95", "ms", gaps[len(gaps) * 95 // 100]),
        figure("between two frames, worst", "ms", gaps[-1]),
        figure("long tasks", "1/s", len(long) / span_s, f"over {LONG_MS} ms on the main thread"),
        figure("main thread in long tasks", "%", sum(long) / span_s / 10),
        figure("heap at the end", "MB", moving["heap"] / 1e6, f"after {span_s:.0f} s"),
        figure(
            "heap grown", "MB", (moving["heap"] - first["heap"]) / 1e6, "garbage not yet collected included"
        ),
    ]
