"""What a data steward can get wrong."""

from fengsui.base.errors import BadInput


class BadCorrection(BadInput):
    """Held readings cannot be replayed as they are with this correction; ``rows`` says which and why."""

    code = "govern.bad_correction"

    def __init__(self, message: str, rows: dict[int, str] | None = None) -> None:
        super().__init__(message)
        self.rows = rows or {}
