"""The role ``web``: portal, API and live push, on one ASGI server."""

import argparse
import sys
from types import FrameType

import uvicorn

from fengsui.run import django_setup, ports, settings, tracing

HELP = "the portal and its API"


class _Server(uvicorn.Server):
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        from fengsui.show.live import hub

        hub.stop()  # open streams end at once; uvicorn would wait for them
        super().handle_exit(sig, frame)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    host, port = settings.value("FENGSUI_BIND"), settings.number("FENGSUI_PORT")
    try:
        ports.require_free(host, port, "FENGSUI_PORT")
    except ports.PortBusy as error:
        print(f"fengsui web: {error}", file=sys.stderr)
        return 3
    django_setup.setup()
    tracing.setup("web")
    server = _Server(
        uvicorn.Config(
            "fengsui.run.asgi:application",
            host=host,
            port=port,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=3,
            proxy_headers=False,
        )
    )
    server.run()
    return 0 if server.started else 1
