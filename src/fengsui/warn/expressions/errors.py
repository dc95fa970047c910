"""What is wrong with an expression: where, and what to do."""

from collections.abc import Mapping
from typing import Any

from fengsui.base.errors import BadInput


class BadExpression(BadInput):
    """Text that is no expression, or one that makes no sense.

    ``text`` is a message id with named placeholders, ``values`` what stands in them, ``column`` counts from 1.
    """

    code = "warn.bad_expression"

    def __init__(self, column: int, text: str, values: Mapping[str, Any] | None = None) -> None:
        self.column, self.text, self.values = column, text, dict(values or {})
        super().__init__(f"column {column}: {text % self.values}")
