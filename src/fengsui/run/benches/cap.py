"""A public warning from approval to the feed, through a real worker and over HTTP; and how large pages of the feed are.

The clock starts when the approver's click reaches the service and stops when the public address of the feed names the
message; signing, storing and the wake-up of the worker are in it.  Each warning also covers places that are called.
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import timedelta
from pathlib import Path
from typing import Any

from fengsui.run.benches.figure import Figure, figure
from fengsui.run.benches.lists import _answers, _until
from fengsui.run.scratch import Scratch

ABOUT = "a public warning: approved → signed → in the feed (goal: 2 s), and the size of the feed's pages (goal: 100 kB)"
WARNINGS = 40  # more than one page of the feed holds
LONG = 4000  # characters of a description: the most that is kept
PATIENCE_S = 30


def bench(seconds: float) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        made = Scratch(Path(folder) / "var")
        roles: list[subprocess.Popen[bytes]] = []
        try:
            for role in ("db", "bus"):
                roles.append(subprocess.Popen(made.command(role), env=made.env, stderr=subprocess.DEVNULL))
            _until(lambda: made.run("migrate", seconds=600).returncode == 0)
            for role in ("worker", "web"):
                roles.append(subprocess.Popen(made.command(role), env=made.env, stderr=subprocess.DEVNULL))
            _until(lambda: _answers(made.url))
            command = [*made.command()[:-1], "fengsui.run.benches.cap", made.url]
            env = made.env
            done = subprocess.run(command, env=env, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(done.stderr[-2000:])
            told: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
        finally:
            for process in reversed(roles):
                process.send_signal(signal.SIGTERM)
                process.wait(30)
    return [
        figure("cap: first approved to feed, key made", "ms", told["first"]),
        figure("cap: approved to feed", "ms", told["later"], f"{WARNINGS - 1} warnings"),
        figure("cap: page of the feed", "bytes", told["pages"], f"descriptions of {LONG:,} characters"),
    ]


def main(url: str) -> int:
    """Make people and warnings, publish them one by one; prints milliseconds and bytes."""
    from fengsui.run import django_setup

    django_setup.setup()
    from fengsui.warn.warnings import services
    from fengsui.warn.warnings.models import Message, Warning

    issuer, writer, reviewer, chief = _people()
    took: list[float] = []
    for i in range(WARNINGS):
        warning: Any = services.create_draft(writer, issuer, _values(i))
        warning = services.review(reviewer, services.submit(writer, warning))
        began = time.perf_counter()
        services.approve(chief, warning)
        until = time.monotonic() + PATIENCE_S
        while f"第{i:03d}号" not in _read(f"{url}/cap/feed.atom"):
            if time.monotonic() > until:
                raise TimeoutError(
                    f"warning {i} is not in the feed: {Warning.objects.get(pk=warning.pk).state}"
                )
            time.sleep(0.005)
        took.append(1000 * (time.perf_counter() - began))
    pages: list[float] = []
    address = f"{url}/cap/feed.atom"
    while address:
        text = _read(address)
        pages.append(len(text.encode()))
        address = _next(text)
    if Message.objects.count() != WARNINGS:
        raise RuntimeError("not each warning is one message")
    print(json.dumps({"first": took[:1], "later": took[1:], "pages": pages}))
    return 0


def _next(text: str) -> str:
    from fengsui.warn.cap.checks import check

    return check(text.encode()).next


def _read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def _people() -> tuple[Any, Any, Any, Any]:
    from fengsui.people.accounts.models import User
    from fengsui.people.orgs.models import Membership, Org
    from fengsui.warn.calls.models import Contact
    from fengsui.warn.warnings.models import Issuer

    city = Org.objects.create(code="c", name="宜昌市", kind="city", path="/c/", division_code="420500")
    city.path = f"/{city.pk}/"
    city.save()
    for i in range(1, 6):
        town = Org.objects.create(
            code=f"t{i}", name=f"街道{i}", kind="township", parent=city, depth=1, path=f"/t{i}/",
            division_code=f"42050500{i}",
        )  # fmt: skip
        town.path = f"{city.path}{town.pk}/"
        town.save()
        Contact.objects.create(org=town, name="值班室")
    people = []
    for role in ("duty_officer", "regulator", "commander"):
        user = User.objects.create(username=role)
        Membership.objects.create(user=user, org=city, role=role)
        people.append(user)
    issuer = Issuer.objects.create(
        org=city, code="42050000000000", name="宜昌市应急管理局", contact="0717-0000000"
    )
    return issuer, people[0], people[1], people[2]


def _values(i: int) -> dict[str, Any]:
    from fengsui.stores import clock

    return {
        "level": 1,
        "event_type": "11B03",
        "expires_at": clock.now() + timedelta(hours=6),
        "headline": f"宜昌市应急管理局发布暴雨红色预警第{i:03d}号",
        "description": ("预计未来三小时降雨量将达五十毫米以上。" * LONG)[:LONG],
        "instruction": "请远离低洼地带，减少外出，注意防范山洪。",
        "area_desc": f"第{i:03d}号区域",
        "responses": ["Prepare", "Avoid"],
        "circles": [(100.0 + i, 31.0, 1.0)],
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
