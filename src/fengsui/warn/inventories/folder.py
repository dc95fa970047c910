"""The tables in use: the shipped ones, with the bureau's own in their place."""

from pathlib import Path

from fengsui.warn.hazards import tables

MAX_TABLE = 4 << 20  # bytes of one file of tables


def load(folder: str) -> tables.Tables:
    """Tables of FENGSUI_HAZARD_TABLES over the shipped ones; "" is the shipped ones.  Raises BadHazardTable."""
    if not folder:
        return tables.shipped()
    try:
        paths = sorted(path for path in Path(folder).iterdir() if path.suffix == ".json")
        if big := [path.name for path in paths if path.stat().st_size > MAX_TABLE]:
            raise tables.BadHazardTable(f"{big[0]}: larger than {MAX_TABLE >> 20} MiB")
        return tables.read({path.stem: path.read_bytes() for path in paths})
    except OSError as error:
        raise tables.BadHazardTable(
            f"FENGSUI_HAZARD_TABLES={folder}: {error.strerror}: name a folder that can be read"
        ) from None
