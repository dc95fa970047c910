"""The command ``fengsui reset``: delete all state under FENGSUI_HOME, after a typed confirmation."""

import argparse
import shutil
import sys

from fengsui.run import lock, settings

HELP = "delete all state under FENGSUI_HOME, after a typed confirmation"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    home = settings.home()
    if not home.exists():
        print(f"nothing to delete: {home} does not exist")
        return 0
    try:
        with lock.only_one(home):
            print(f"This deletes every reading, alarm, account and secret under {home}.")
            print(f"Type the folder's name, {home.name}, to go on: ", end="", flush=True)
            if sys.stdin.readline().strip() != home.name:
                print("not deleted")
                return 1
            for entry in home.iterdir():
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    except lock.AlreadyRunning as error:
        print(f"fengsui reset: {error}", file=sys.stderr)
        return 3
    print(f"deleted: {home} is empty")
    return 0
