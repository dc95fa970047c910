"""Coverage-guided fuzzing of one codec: ``python fuzz_target.py PROTOCOL [options of libFuzzer] [folder of frames]``.

A program of its own: Atheris instruments what it imports, and ends the process at the first input that breaks a
promise.
"""

import sys
from collections.abc import Callable

import atheris

with atheris.instrument_imports(include=["fengsui.sense.codecs"]):
    from fengsui.sense.codecs import readings_json
    from fengsui.sense.codecs.registry import CODECS

from tests.sense.codecs import contract

BOUND = 1 << 17  # bytes that a codec may hold back, whatever comes


def _of_codec(name: str) -> Callable[[bytes], None]:
    codec = CODECS[name]

    def one(data: bytes) -> None:
        cuts = list(data[:2])  # any cut will do, and the same input must always be cut alike
        contract.arbitrary_bytes_never_raise(codec, data, cuts, BOUND)
        contract.any_cut_gives_the_same_frames(codec, data, cuts)
        whole = codec.feed(data, ended=True)
        assert sum(len(f.raw) for f in whole.frames) + sum(len(r.data) for r in whole.refused) <= len(data)

    return one


def _readings_json(data: bytes) -> None:
    found = readings_json.decode(data)
    if isinstance(found, readings_json.BadPayload):
        assert str(found)
    else:
        assert len(found.time_ms) == len(found.value) == len(found.quality) == len(found.reason) == len(found)


def _data_array() -> Callable[[bytes], None]:
    """DataArrays of SensorThings, from their bytes to columns."""
    from fengsui.run import django_setup

    django_setup.setup()
    with atheris.instrument_imports(include=["fengsui.show.sta.arrays"]):
        from fengsui.show.sta import arrays
    from fengsui.show.sta.odata.errors import BadQuery

    def one(data: bytes) -> None:
        try:
            groups = arrays.read(data)
        except BadQuery:
            return
        for group in groups:
            if (
                group.rows
                and "result" in group.components
                and len(set(group.components)) == len(group.components)
            ):
                arrays.plain(group, 0)

    return one


def main() -> None:
    name = sys.argv.pop(1)
    one = {"readings-json": lambda: _readings_json, "data-array": _data_array}.get(
        name, lambda: _of_codec(name)
    )()
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
