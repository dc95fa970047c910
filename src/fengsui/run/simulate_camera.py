"""``fengsui simulate gb28181``: a camera that is not there, with real pictures over real sockets."""

import argparse
import asyncio
import math
import sys

from fengsui.run import child, settings

HELP = "a camera or recorder of GB/T 28181: registers, reports, and sends pictures when called"


def add_arguments(camera: argparse.ArgumentParser) -> None:
    camera.add_argument("code", help="its 20 digits, as added by fengsui video add")
    camera.add_argument("--password", required=True)
    camera.add_argument(
        "--channels", type=int, default=1, help="cameras in its catalogue (default %(default)s)"
    )
    camera.add_argument("--host", default="127.0.0.1", help="of the platform (default %(default)s)")
    camera.add_argument("--port", type=int, default=0, help="of the platform; by default FENGSUI_SIP_PORT")
    camera.add_argument("--transport", choices=("udp", "tcp"), default="udp")
    camera.add_argument("--codec", choices=("h264", "h265"), default="h264")
    camera.add_argument("--size", default="640x360", help="of the picture (default %(default)s)")
    camera.add_argument("--fps", type=int, default=15)
    camera.add_argument("--version", choices=("2016", "2022"), default="2016", help="of the standard")
    camera.add_argument(
        "--alarm-every", type=float, default=0, metavar="S", help="send an alarm every so many seconds"
    )
    camera.add_argument(
        "--move", action="store_true", help="send positions of a vehicle that drives in a circle"
    )
    camera.add_argument("--longitude", type=float, default=111.29)
    camera.add_argument("--latitude", type=float, default=30.69)


def run(args: argparse.Namespace) -> int:
    width, _, height = args.size.partition("x")
    if not (width.isdigit() and height.isdigit() and 32 <= int(width) <= 3840 and 32 <= int(height) <= 2160):
        print("fengsui simulate: --size is WIDTHxHEIGHT, such as 640x360", file=sys.stderr)
        return 2
    if not 1 <= args.channels <= 999 or not 1 <= args.fps <= 60:
        print("fengsui simulate: 1 to 999 channels, 1 to 60 frames a second", file=sys.stderr)
        return 2
    return asyncio.run(_camera(args, int(width) // 2 * 2, int(height) // 2 * 2))


async def _camera(args: argparse.Namespace, width: int, height: int) -> int:
    from fengsui.sense.gateways.gb28181.camera import Nature, NotLetIn, SimulatedCamera
    from fengsui.sense.gateways.gb28181.transport import NoAnswer

    begin = f"{args.code[:8]}001320{args.code[-3:]}"  # no two devices have the same channels
    channels = tuple(
        (f"{begin}{number:03d}", f"模拟摄像机 {number}") for number in range(1, args.channels + 1)
    )
    nature = Nature(
        args.code, args.password, settings.value("FENGSUI_SIP_SERVER"), settings.value("FENGSUI_SIP_DOMAIN"), channels,
        args.transport, args.codec, width, height, args.fps,
        keepalive_s=settings.number("FENGSUI_SIP_KEEPALIVE_S"), version={"2016": "2.0", "2022": "3.0"}[args.version],
        longitude=args.longitude, latitude=args.latitude,
    )  # fmt: skip
    camera = SimulatedCamera(nature, args.host, args.port or settings.number("FENGSUI_SIP_PORT"))
    stopping = asyncio.Event()
    child.on_stop_signals(stopping)
    try:
        await camera.start("0.0.0.0" if args.host != "127.0.0.1" else "127.0.0.1")  # noqa: S104
    except (NotLetIn, NoAnswer, OSError) as error:
        print(f"fengsui simulate: not registered: {error}", file=sys.stderr)
        await camera.signalling.close()
        return 1
    print(f"{args.code} is registered with {args.channels} cameras; Ctrl-C ends it", flush=True)
    working = (
        [asyncio.create_task(_alarms(camera, channels, args.alarm_every))] if args.alarm_every > 0 else []
    )
    if args.move:
        working.append(asyncio.create_task(_drive(camera, args.longitude, args.latitude)))
    await stopping.wait()
    for task in working:
        task.cancel()
    await asyncio.gather(*working, return_exceptions=True)
    await camera.close()
    print(f"{camera.frames_sent} frames in {camera.packets_sent} packets were sent", flush=True)
    return 0


async def _alarms(camera, channels, every_s: float) -> None:  # type: ignore[no-untyped-def]
    from fengsui.sense.gateways.gb28181.transport import NoAnswer

    number = 0
    while True:
        await asyncio.sleep(every_s)
        try:
            await camera.alarm(channels[number % len(channels)][0])
        except NoAnswer as error:
            print(f"fengsui simulate: {error}", file=sys.stderr)
        number += 1


async def _drive(camera, longitude: float, latitude: float) -> None:  # type: ignore[no-untyped-def]
    """Positions of a vehicle on a circle of 500 m at 36 km/h, every 5 s."""
    from fengsui.sense.gateways.gb28181.transport import NoAnswer

    radius_m, step_m, angle = 500.0, 50.0, 0.0
    while True:
        angle += step_m / radius_m
        north, east = radius_m * math.sin(angle), radius_m * math.cos(angle)
        try:
            await camera.position(
                longitude + east / (111_320 * math.cos(math.radians(latitude))), latitude + north / 110_540, 36,
                (-math.degrees(angle)) % 360,
            )  # fmt: skip
        except NoAnswer as error:
            print(f"fengsui simulate: {error}", file=sys.stderr)
        await asyncio.sleep(5)
