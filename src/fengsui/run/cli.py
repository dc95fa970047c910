"""The command ``fengsui``: one table of commands; each is a module of this folder, imported only when asked for.

A command module has ``HELP``, ``add_arguments(parser)`` and ``run(args) -> int``.
"""

import argparse
import gc
import importlib
import sys

from django.utils import timezone

from fengsui.run import logs, memory, settings
from fengsui.stores import clock

COMMANDS = {
    "up": "fengsui.run.up",
    "stem": "fengsui.run.stem",
    "bus": "fengsui.run.bus",
    "db": "fengsui.run.db",
    "gateway": "fengsui.run.gateway",
    "video": "fengsui.run.video",
    "pipeline": "fengsui.run.pipeline",
    "web": "fengsui.run.web",
    "worker": "fengsui.run.worker",
    "status": "fengsui.run.status",
    "migrate": "fengsui.run.migrate",
    "reset": "fengsui.run.reset",
    "region": "fengsui.run.region",
    "risk": "fengsui.run.risk",
    "report": "fengsui.run.report",
    "natural": "fengsui.run.natural",
    "replay": "fengsui.run.replay",
    "devices": "fengsui.run.devices",
    "device": "fengsui.run.device",
    "units": "fengsui.run.units",
    "frame": "fengsui.run.frame",
    "cap": "fengsui.run.cap",
    "conform": "fengsui.run.conform",
    "hazards": "fengsui.run.hazards",
    "simulate": "fengsui.run.simulate",
    "rules": "fengsui.run.rules",
    "folding": "fengsui.run.folding",
    "detectors": "fengsui.run.detectors",
    "ledger": "fengsui.run.ledger",
    "history": "fengsui.run.history",
    "audit": "fengsui.run.audit",
    "users": "fengsui.run.users",
    "bench": "fengsui.run.bench",
    "spark": "fengsui.run.spark",
}


def main() -> None:
    """The program: logs of this process go to standard error; ends with the code of the command."""
    gc.set_threshold(
        *memory.COLLECT_AFTER
    )  # imports make a million objects and no cycles: a tenth of a start
    try:
        logs.setup(settings.value("FENGSUI_LOG_LEVEL"))
        _keep_time()
        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(141)


def run(argv: list[str]) -> int:
    """One command in this process, whose logging it leaves alone: 0 done, 1 the answer is no, 2 wrong use.

    Raises SystemExit for options that do not fit.
    """
    name = argv[0] if argv else ""
    if name not in COMMANDS:
        asked = name in ("-h", "--help", "help")
        print(_usage(), file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    module = importlib.import_module(COMMANDS[name])
    parser = argparse.ArgumentParser(prog=f"fengsui {name}", description=module.HELP)
    module.add_arguments(parser)
    return int(module.run(parser.parse_args(argv[1:])))


def _keep_time() -> None:
    """All processes of this FENGSUI_HOME have one time, and so has what Django stamps for us."""
    clock.process_clock().share(settings.home(), settings.value("FENGSUI_CLOCK_OFFSET_FILE"))
    timezone.now = clock.now


def _usage() -> str:
    lines = ["usage: fengsui COMMAND [options]", ""]
    for name, path in COMMANDS.items():
        lines.append(f"  {name:<10} {_help(path)}")
    lines += ["", "fengsui COMMAND --help tells more of one.  Settings: docs/settings.md"]
    return "\n".join(lines)


def _help(path: str) -> str:
    """The HELP line of a command module, read without importing what the command needs."""
    import ast
    from pathlib import Path

    source = Path(__file__).with_name(path.rsplit(".", 1)[1] + ".py")
    if not source.exists():
        source = Path(__file__).parent / path.rsplit(".", 1)[1] / "__init__.py"
    if not source.exists():
        return ""
    for node in ast.parse(source.read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "HELP":
            return str(ast.literal_eval(node.value))
    return ""
