"""``fengsui simulate``: the device's side of a protocol, good or wrong in a named way."""

import argparse
import asyncio
import signal
import sys
from dataclasses import replace
from pathlib import Path

from fengsui.run import simulate_camera
from fengsui.run.conform import address
from fengsui.sense.gateways.datagrams import Datagrams
from fengsui.sense.gateways.field.registry import UDP
from fengsui.sense.simulators import line
from fengsui.sense.simulators.device import BadSimulation, Kind, Options, Wave, faults_text, read_table
from fengsui.sense.simulators.kinds import KINDS

HELP = "simulated devices of a field protocol, for trying the platform and the conformance kit"
MOST_DEVICES = 10_000
CAMERA = "gb28181"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    protocols = parser.add_subparsers(dest="protocol", required=True)
    for name, kind in KINDS.items():
        one = protocols.add_parser(
            name,
            help=f"devices of {kind.codec.standard}",
            epilog="faults:\n" + "\n".join(faults_text(kind.faults)),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if kind.listens:
            one.add_argument("--listen", required=True, metavar="HOST:PORT", help="wait to be called")
        elif name in UDP:
            where = one.add_mutually_exclusive_group(required=True)
            where.add_argument("--dial", metavar="HOST:PORT", help="the platform to call")
            where.add_argument("--listen", metavar="HOST:PORT", help="wait to be spoken to; over UDP only")
            one.add_argument(
                "--transport", choices=("tcp", "udp"), default="tcp", help="(default %(default)s)"
            )
        else:
            one.add_argument("--dial", required=True, metavar="HOST:PORT", help="the platform to call")
        one.add_argument("--count", type=int, default=1, metavar="N", help="so many devices (default 1)")
        one.add_argument("--identity", default="", help="of a single device (default: made from its number)")
        one.add_argument("--password", default="", help="(default: the one this simulation has)")
        if kind.variants:
            one.add_argument(
                "--variant",
                default=kind.variants[0],
                choices=kind.variants,
                help="year or encoding (default %(default)s)",
            )
        one.add_argument("--period", type=float, default=30, metavar="S", help="between reports (default 30)")
        one.add_argument(
            "--resend", type=float, default=10, metavar="S", help="until sent again (default 10)"
        )
        one.add_argument("--values", type=Path, metavar="CSV", help="columns named by the protocol's codes")
        one.add_argument("--fault", default="", choices=["", *kind.faults], metavar="NAME", help="see below")
    simulate_camera.add_arguments(protocols.add_parser(CAMERA, help=simulate_camera.HELP))


def run(args: argparse.Namespace) -> int:
    if args.protocol == CAMERA:
        return simulate_camera.run(args)
    kind = KINDS[args.protocol]
    listens = bool(getattr(args, "listen", None))
    udp = getattr(args, "transport", "tcp") == "udp"
    try:
        if listens and not kind.listens and not udp:
            raise ValueError("--listen needs --transport udp: over TCP these devices call")
        host, port = address(args.listen if listens else args.dial)
        if not 1 <= args.count <= MOST_DEVICES or (args.identity and args.count > 1):
            raise ValueError(f"--count is 1 to {MOST_DEVICES}, and 1 with --identity")
        if args.period <= 0 or args.resend <= 0:
            raise ValueError("--period and --resend are more than 0")
        options = Options(
            identity=args.identity,
            password=args.password,
            variant=getattr(args, "variant", ""),
            period_s=args.period,
            resend_s=args.resend,
            fault=args.fault,
            values=read_table(args.values) if args.values else Wave(),
        )
    except (ValueError, BadSimulation, OSError) as error:
        print(f"fengsui simulate: {error}", file=sys.stderr)
        return 2
    return asyncio.run(_run(kind, options, args.count, host, port, listens, udp))


async def _run(
    kind: Kind, options: Options, count: int, host: str, port: int, listens: bool, udp: bool
) -> int:
    """Until Ctrl-C.  Devices that listen take one port each, from the given one on."""
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    tasks: list[asyncio.Task[None]] = []
    servers: list[asyncio.Server | Datagrams] = []
    try:
        for number in range(1, count + 1):
            values = (
                replace(options.values, phase=number * 0.37)
                if isinstance(options.values, Wave)
                else options.values
            )
            device = kind.make(replace(options, number=number, values=values))
            own = port + number - 1 if port else 0
            if udp and listens:
                socket, own = await line.listen_udp(device, kind.codec, host, own)
                servers.append(socket)
                print(f"listening on {host}:{own}", flush=True)
            elif udp:
                tasks.append(asyncio.create_task(line.dial_udp(device, kind.codec, host, port)))
            elif listens:
                server = await line.listen(device, kind.codec, host, own)
                servers.append(server)
                print(f"listening on {host}:{server.sockets[0].getsockname()[1]}", flush=True)
            else:
                tasks.append(asyncio.create_task(line.dial(device, kind.codec, host, port)))
        await stop.wait()
    except OSError as error:
        print(f"fengsui simulate: {error}", file=sys.stderr)
        return 3
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for one in servers:
            one.close()
    return 0
