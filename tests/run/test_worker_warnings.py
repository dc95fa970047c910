"""Public warnings through a real worker: signed and in the feed at once, once each however often it is killed."""

import signal
import time
from datetime import timedelta

import pytest

from fengsui.stores import clock
from fengsui.stores.outbox.models import Event
from fengsui.warn.cap.checks import check
from fengsui.warn.cap.signature import read_certificates
from fengsui.warn.warnings.models import Message
from tests.conftest import wait_until
from tests.run.test_worker import nats, start

__all__ = ["nats", "start"]
pytestmark = pytest.mark.django_db(transaction=True)


def test_approved_warnings_are_signed_and_public_once_although_the_worker_is_killed(
    db, start, nats, tmp_path, client
):
    from tests.warn.warnings.bureau import Bureau

    bureau = Bureau()
    worker = start()
    far = {"polygons": [], "divisions": [], "area_desc": "远处"}
    waited = []
    for i in range(3):
        began = time.monotonic()
        bureau.approved(**(far | {"circles": [(110.0 + i, 31.0, 1.0)]}))
        wait_until(lambda: client.get("/cap/feed.atom").content.count(b"<entry>") == i + 1, 20, "in the feed")  # noqa: B023
        waited.append(time.monotonic() - began)
    # Looked at by a person, never a verdict: a tenth of a second, and a second for the first, which makes the key.
    print(f"approved to feed: {', '.join(f'{one:.2f} s' for one in waited)}")
    for i in range(4):
        bureau.approved(**(far | {"circles": [(110.0 + i, 33.0, 1.0)]}))
        worker.send_signal(signal.SIGKILL)
        worker.wait(10)
        worker = start(wait=False)
    wait_until(lambda: not Event.objects.waiting().exists(), 60, "the outbox is empty")
    rows = list(Message.objects.order_by("pk"))
    assert len(rows) == 7
    assert len({row.identifier for row in rows}) == 7
    trusted = read_certificates((tmp_path / "var" / "secrets" / "cap-certificate.pem").read_bytes())
    for row in rows:
        document = check(bytes(row.document), now=clock.now() + timedelta(seconds=5), trusted=trusted)
        assert document.all_problems() == ()
        assert document.alerts[0].verdict.state == "valid"
    told = [body for name, body in nats.messages() if name.startswith("warning:")]
    assert {one["id"] for one in told} == {row.pk for row in rows}
    assert len(told) == 7
