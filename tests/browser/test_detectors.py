"""Detectors at every size: scores, shares, why an alarm is one, and how true instruments are."""

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

SIZES = [("desk", "light", "zh-CN"), ("wall", "dark", "en"), ("phone", "light", "zh-CN")]


@pytest.fixture
def found(officer):
    """A detector in force with scores, an alarm of its own, and an instrument in doubt."""
    from fengsui.sense.devices.models import Datastream, ObservedProperty, Site, Thing
    from fengsui.warn.alarms import raising
    from fengsui.warn.detecting import services, training
    from fengsui.warn.detecting.models import Finding, Run, Truth

    site = Site.objects.get()
    level, _ = ObservedProperty.objects.get_or_create(
        code="level", defaults={"name": "液位", "name_en": "Level"}
    )
    tank = Thing.objects.create(site=site, code="T-9", name="反应釜一号冷却水出口", name_en="Reactor")
    streams = [
        Datastream.objects.create(
            site=site, thing=tank, observed_property=level, code=f"A_VERY_LONG_TAG_{k}",
            name=f"反应器冷却水出口温度第{k}点", name_en=f"Cooling water outlet temperature {k}", unit="°C",
        )
        for k in range(3)
    ]  # fmt: skip
    detector = services.create("test", site, "反应与分离单元", "charts", "Reaction and separation")
    x = np.random.default_rng(1).normal(size=(200, 3))
    about = {"datastreams": [s.pk for s in streams], "codes": [s.code for s in streams], "every_ms": 3000}
    about |= {"from": "tep d00", "to": "", "rows": 200, "hold": [0, 0, 0]}
    training.keep("test", detector, training.learn("charts", x, 3000, 0), about, "normal week")
    services.activate("test", detector, 1, "trial")
    parts = [
        {"datastream": s.pk, "share": share, "sign": "cusum_up"}
        for s, share in zip(streams, (0.6, 0.3, 0.1), strict=True)
    ]
    scores = np.r_[np.full(300, 0.4), np.linspace(0.4, 9, 100), np.nan, np.full(99, 0.6)]
    Run.objects.update(scores=scores.astype("<f8").tobytes(), parts=parts, stepped_at=timezone.now())
    at = timezone.now() - timedelta(minutes=2)
    alarm = raising.raise_found(f"d{detector.pk}:1", "detector", streams[0], 3, at, 41.5)
    Finding.objects.create(
        detector=detector, version=1, is_shadow=False, key=alarm.key, kind="detector", alarm=alarm,
        datastream=streams[0], raised_at=at, peak=9.0, peak_at=at, parts=parts,
    )  # fmt: skip
    reasons = [{"what": "frozen", "severity": 0.8, "rows": 90}]
    Truth.objects.create(
        detector=detector, datastream=streams[2], score=20, reasons=reasons, at=at, changed_at=at
    )
    return detector, alarm


@pytest.mark.parametrize(("size", "theme", "language"), SIZES)
def test_detectors_can_be_read_at_every_size(found, open_screen, assert_accessible, size, theme, language):
    detector, alarm = found
    for path, words in (
        ("/detectors/", ("反应与分离单元", "Reaction and separation")),
        (f"/detectors/{detector.pk}/", ("持续上移", "shifted upwards")),
        (f"/alarms/{alarm.pk}/", ("60.0%", "60.0%")),
        ("/detectors/truth/", ("冻结", "frozen")),
    ):
        page = open_screen(path, size=size, theme=theme, language=language)
        assert words[language == "en"] in page.locator("main").inner_text()
        assert_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        if path == f"/detectors/{detector.pk}/":
            assert page.locator(".score-line").get_attribute("d").count("M") == 2, (
                "a gap where nothing was judged"
            )
        page.close()
