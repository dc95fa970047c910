"""Files that know their own sum."""

import hashlib
from typing import BinaryIO


class Hashing:
    """A file that knows the SHA-256 and the size of what went through it."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes | memoryview) -> int:
        self.digest.update(data)
        self.size += len(data)
        return self._file.write(data)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        """The owner closes the file, after syncing it."""
