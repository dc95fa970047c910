"""Files as others send them: what they really are, by their first bytes, and bringing them to the disk for good.

A type is never taken from a name or from what the sender claims.
"""

import os
from collections.abc import Callable
from typing import NamedTuple


class Kind(NamedTuple):
    """What a file is: its type for HTTP, and the ending its name gets."""

    content_type: str
    ending: str


def kind_of(head: bytes) -> Kind | None:
    """The kind of picture, sound, video or PDF that begins with ``head`` (16 bytes are enough); None for any other."""
    return next((kind for is_it, kind in _KINDS if is_it(head)), None)


def sync(path: str) -> None:
    """Bring a stored file and its name to the disk, so that the row never speaks of bytes that are gone."""
    for target, flags in ((path, os.O_RDONLY), (os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)):
        descriptor = os.open(target, flags)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _starts(*magics: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(magics)


def _riff(kind: bytes) -> Callable[[bytes], bool]:
    return lambda head: head[:4] == b"RIFF" and head[8:12] == kind


def _brand(*brands: bytes) -> Callable[[bytes], bool]:
    return lambda head: head[4:8] == b"ftyp" and head[8:12] in brands


_KINDS: list[tuple[Callable[[bytes], bool], Kind]] = [
    (_starts(b"\xff\xd8\xff"), Kind("image/jpeg", "jpg")),
    (_starts(b"\x89PNG\r\n\x1a\n"), Kind("image/png", "png")),
    (_starts(b"GIF87a", b"GIF89a"), Kind("image/gif", "gif")),
    (_starts(b"II*\0", b"MM\0*"), Kind("image/tiff", "tif")),
    (_riff(b"WEBP"), Kind("image/webp", "webp")),
    (_riff(b"WAVE"), Kind("audio/wav", "wav")),
    (_brand(b"heic", b"heix", b"mif1", b"msf1"), Kind("image/heic", "heic")),
    (_brand(b"avif"), Kind("image/avif", "avif")),
    (_brand(b"M4A ", b"M4B "), Kind("audio/mp4", "m4a")),
    (_brand(b"qt  "), Kind("video/quicktime", "mov")),
    (_brand(b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ", b"3gp4", b"3gp5"),
     Kind("video/mp4", "mp4")),
    (_starts(b"\x1aE\xdf\xa3"), Kind("video/webm", "webm")),
    (_starts(b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"), Kind("video/x-ms-wmv", "wmv")),
    (_starts(b"ID3", b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2"), Kind("audio/mpeg", "mp3")),
    (_starts(b"%PDF-"), Kind("application/pdf", "pdf")),
]  # fmt: skip
