"""Coverage-guided fuzzing of one codec: ``python fuzz_target.py PROTOCOL [options of libFuzzer] [folder of frames]``.

A program of its own: Atheris instruments what it imports, and ends the process at the first input that breaks a
promise.
"""

import sys

import atheris

with atheris.instrument_imports(include=["fengsui.sense.codecs"]):
    from fengsui.sense.codecs.registry import CODECS

from tests.sense.codecs import contract

BOUND = 1 << 17  # bytes that a codec may hold back, whatever comes


def main() -> None:
    codec = CODECS[sys.argv.pop(1)]

    def one(data: bytes) -> None:
        cuts = list(data[:2])  # any cut will do, and the same input must always be cut alike
        contract.arbitrary_bytes_never_raise(codec, data, cuts, BOUND)
        contract.any_cut_gives_the_same_frames(codec, data, cuts)
        whole = codec.feed(data, ended=True)
        assert sum(len(f.raw) for f in whole.frames) + sum(len(r.data) for r in whole.refused) <= len(data)

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
