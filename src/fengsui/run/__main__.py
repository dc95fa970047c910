"""``python -m fengsui.run`` is the same as the command ``fengsui``."""

from fengsui.run.cli import main

main()
