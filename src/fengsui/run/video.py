"""The role ``video``: GB/T 28181 devices register, report and are called here; pictures become segments for the portal.

A role of its own, so that streams and what devices send cannot hold up or end the gateway (docs/decisions/0030).  One
works at a time; another one waits until the first is gone.
"""

import argparse
import asyncio
import contextlib
import sys
from typing import Any

import msgspec
import psycopg
import structlog
from nats.aio.msg import Msg

from fengsui.run import django_setup, ports, role, settings, tracing
from fengsui.run.metrics import exchange
from fengsui.run.metrics.samples import Sample, by, one
from fengsui.stores.bus import Heartbeat, connect, ensure

HELP = "cameras: GB/T 28181 devices register, report, and are shown"
log = structlog.get_logger()

SUBJECT = "video.ask"
LOCK = 0x46_53_56_49_44_45_4F  # "FSVIDEO": who holds it works
LOCK_PAUSE_S = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb")
    add = verbs.add_parser("add", help="add a video device to a site and show its password once")
    add.add_argument("code", help="its 20 digits")
    add.add_argument("--site", required=True, help="code of the site")
    add.add_argument("--name", default="")
    add.add_argument(
        "--password", default="", help="one that the device has already; empty: a new one is made"
    )
    verbs.add_parser("unknown", help="list who wanted to register and is not known")


def run(args: argparse.Namespace) -> int:
    django_setup.setup()
    if args.verb:
        return {"add": _add, "unknown": _unknown}[args.verb](args)
    host, port = settings.value("FENGSUI_BIND"), settings.number("FENGSUI_SIP_PORT")
    try:
        ports.require_free(host, port, "FENGSUI_SIP_PORT")
        config(), media()
    except (ports.PortBusy, ValueError) as error:
        print(f"fengsui video: {error}", file=sys.stderr)
        return 3
    tracing.setup("video")
    return role.run("video", lambda: serve(host, port))


def config() -> Any:
    """What settings say of signalling.  Raises ValueError that names the setting."""
    from fengsui.sense.codecs.gb28181 import codes, digest
    from fengsui.sense.gateways.gb28181.platform import Config

    digests = tuple(one.strip() for one in settings.value("FENGSUI_SIP_DIGESTS").split(",") if one.strip())
    if not digests or set(digests) - set(digest.ALGORITHMS):
        raise ValueError(f"FENGSUI_SIP_DIGESTS must be some of {', '.join(digest.ALGORITHMS)}")
    server = settings.value("FENGSUI_SIP_SERVER")
    if codes.read(server) is None:
        raise ValueError("FENGSUI_SIP_SERVER must have 20 digits")
    return Config(
        domain=settings.value("FENGSUI_SIP_DOMAIN"),
        server=server,
        address=settings.value("FENGSUI_SIP_ADDRESS"),
        digests=digests,
        keepalive_s=settings.number("FENGSUI_SIP_KEEPALIVE_S"),
        answer_s=settings.number("FENGSUI_SIP_ANSWER_S"),
        position_s=settings.number("FENGSUI_SIP_POSITION_S"),
        alarm_s=settings.number("FENGSUI_SIP_ALARM_S"),
    )


def media() -> Any:
    """What settings say of streams.  Raises ValueError that names the setting."""
    from fengsui.sense.gateways.gb28181.calls import Media

    low, _, high = settings.value("FENGSUI_RTP_PORTS").partition("-")
    if not (low.isdigit() and high.isdigit() and 1024 <= int(low) < int(high) <= 65_535):
        raise ValueError("FENGSUI_RTP_PORTS must be two ports such as 30000-30499")
    transport = settings.value("FENGSUI_RTP_TRANSPORT")
    if transport not in ("udp", "tcp"):
        raise ValueError("FENGSUI_RTP_TRANSPORT must be udp or tcp")
    return Media(
        folder=settings.video_folder(),
        host=settings.value("FENGSUI_BIND"),
        address=settings.value("FENGSUI_SIP_ADDRESS"),
        ports=(int(low), int(high)),
        transport=transport,
        most=settings.number("FENGSUI_VIDEO_STREAMS"),
        unwatched_s=settings.number("FENGSUI_VIDEO_UNWATCHED_S"),
    )


async def serve(host: str, port: int) -> None:
    """Serve until cancelled; then say goodbye to cameras and leave."""
    from fengsui.run.intake import Intake  # models: after Django is set up
    from fengsui.sense.gateways.gb28181.calls import Calls
    from fengsui.sense.gateways.gb28181.platform import Platform
    from fengsui.sense.gateways.gb28181.readings import Out

    async with contextlib.AsyncExitStack() as stack:
        nc = await role.patiently("video", "bus", lambda: connect(settings.nats_url(), "video", wait_s=2))
        stack.push_async_callback(nc.close)
        heartbeat = Heartbeat(nc, "video")
        await heartbeat.start()
        stack.push_async_callback(heartbeat.stop)
        held = await _alone()
        stack.push_async_callback(held.close)
        intake = Intake(nc, heartbeat.instance)
        stack.push_async_callback(intake.close)
        await intake.start()
        await role.patiently("video", "bus", lambda: ensure(nc, settings.number("FENGSUI_BUS_MAX_BYTES")))
        platform = Platform(
            config(), Out(intake.registry, intake.publisher, intake.admission), intake.refusals
        )
        await platform.start(host, port)
        stack.push_async_callback(platform.close)
        calls = Calls(platform, media())
        stack.push_async_callback(calls.close)
        await exchange.answer(nc, heartbeat, lambda: samples(platform, calls, intake))
        answering: set[asyncio.Task[None]] = set()

        async def asked(message: Msg) -> None:
            task = asyncio.create_task(_answer(platform, calls, message))
            answering.add(task)
            task.add_done_callback(answering.discard)

        subscription = await nc.subscribe(SUBJECT, cb=asked)
        stack.push_async_callback(subscription.unsubscribe)
        heartbeat.ready = True
        log.info("video.ready", host=host, port=port, instance=heartbeat.instance)
        try:
            while True:
                heartbeat.lag = {
                    "devices_online": sum(device.online for device in platform.devices.values()),
                    "cameras": len(platform.channels),
                    "streams": len(calls.live),
                    "refused": platform.counts["refused"],
                }
                await asyncio.sleep(1)
                await held.execute("SELECT 1")  # without the lock another one would work beside us
        finally:
            heartbeat.ready = False


async def _alone() -> psycopg.AsyncConnection[Any]:
    """The connection that holds the lock of the working role; waits while another one works."""
    told = False
    while True:
        try:
            connection = await psycopg.AsyncConnection.connect(
                settings.database_url(), autocommit=True, connect_timeout=3
            )
            row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])).fetchone()
            if row is not None and row[0]:
                return connection
            await connection.close()
            why = "another role video works"
        except (psycopg.Error, OSError) as error:
            why = repr(error)
        if not told:
            told = True
            log.warning("video.waiting", why=why)
        await asyncio.sleep(LOCK_PAUSE_S)


async def _answer(platform: Any, calls: Any, message: Msg) -> None:
    from fengsui.base.errors import FengsuiError

    try:
        told = await _do(platform, calls, msgspec.msgpack.decode(message.data))
    except FengsuiError as error:
        told = {"error": error.code, "message": str(error)}
    except (ValueError, KeyError, TypeError, msgspec.DecodeError) as error:
        told = {"error": "base.bad_input", "message": str(error)}
    except Exception as error:
        log.error("video.failed", error=repr(error))
        told = {"error": "base.error", "message": "the role video failed; its log says why"}
    with contextlib.suppress(Exception):
        await message.respond(msgspec.msgpack.encode(told))


async def _do(platform: Any, calls: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """One deed that the portal asks for; who may was decided there."""
    from fengsui.sense.codecs.gb28181.ptz import Ptz
    from fengsui.sense.gateways.gb28181.platform import VideoRefused

    if asked["do"] == "catalogue":
        new, listed, gone = await platform.catalogue(platform.online(asked["device"]))
        return {"new": new, "listed": listed, "gone": gone}
    channel = next((one for one in platform.channels.values() if one.id == asked["camera"]), None)
    if channel is None:
        raise VideoRefused("the camera is in no catalogue any more")
    if asked["do"] == "watch":
        live = await calls.watch(channel)
        picture = live.stream.segments.picture
        return {
            "stream": live.name, "codec": live.stream.codec, "codecs": picture.codecs if picture else "",
            "width": picture.width if picture else 0, "height": picture.height if picture else 0,
        }  # fmt: skip
    if asked["do"] == "still":
        return {"jpeg": await calls.still(channel)}
    if asked["do"] == "move":
        await platform.move(channel.device, channel.code, Ptz(**asked["command"]))
    elif asked["do"] == "reset_alarm":
        await platform.reset_alarm(channel.device, channel.code)
    else:
        raise ValueError(f"no such deed: {asked['do']}")
    return {}


def samples(platform: Any, calls: Any, intake: Any) -> list[Sample]:
    """What the role says of itself."""
    from fengsui.run.metrics import roles

    devices = list(platform.devices.values())
    lives = list(calls.live.values())
    counts = platform.counts
    asked = {name.removeprefix("request_"): n for name, n in counts.items() if name.startswith("request_")}
    ended = {name.removeprefix("ended_"): n for name, n in calls.counts.items() if name.startswith("ended_")}

    def of_streams(name: str) -> int:
        return calls.counts[f"past_{name}"] + sum(live.stream.counts[name] for live in lives)

    return [
        *roles.publisher(intake.publisher),
        one("video_devices", sum(device.online for device in devices), state="online"),
        one("video_devices", len(platform.known) - sum(device.online for device in devices), state="offline"),
        one("video_cameras", len(platform.channels)),
        *by("video_requests", "method", asked),
        one("video_messages_refused", counts["refused"]),
        one("video_turned_away", counts["turned_away"]),
        one("video_sent_again", counts["sent_again"]),
        one("video_unanswered", counts["unanswered"]),
        one("video_alarms", counts["alarms"]),
        one("video_streams", len(lives)),
        one("video_calls", calls.counts["calls"]),
        *by("video_calls_ended", "why", ended),
        one("video_frames", of_streams("frames")),
        one("video_received_bytes", of_streams("bytes")),
        one(
            "video_packets_lost",
            calls.counts["past_lost"] + sum(live.stream.reorder.counts.lost for live in lives),
        ),
        one("video_packets_refused", of_streams("refused") + calls.counts["foreign"]),
        one("video_stills", calls.pictures.counts["made"], result="made"),
        one(
            "video_stills", calls.pictures.counts["refused"] + calls.pictures.counts["died"], result="failed"
        ),
    ]


def _add(args: argparse.Namespace) -> int:
    from fengsui.sense.cameras import services
    from fengsui.sense.devices.models import Site

    site = Site.objects.filter(code=args.site).first()
    if site is None:
        print(f"fengsui video: there is no site {args.site}", file=sys.stderr)
        return 1
    try:
        device, password = services.add_device(
            None, site=site, code=args.code, name=args.name, password=args.password
        )
    except services.BadVideoDevice as error:
        print(f"fengsui video: {error}", file=sys.stderr)
        return 1
    print(password)
    print(
        f"this is shown once; {device.code} registers at {settings.value('FENGSUI_SIP_SERVER')}@"
        f"{settings.value('FENGSUI_SIP_DOMAIN')}, port {settings.number('FENGSUI_SIP_PORT')}",
        file=sys.stderr,
    )
    return 0


def _unknown(args: argparse.Namespace) -> int:
    from fengsui.sense.cameras.models import UnknownVideoDevice

    for row in UnknownVideoDevice.objects.all():
        at = row.last_at.isoformat(timespec="seconds")
        print(f"{row.code:<22} {row.address:<28} {row.why:<10} {row.times:>6}  {at}")
    return 0
