"""The codec's errors."""

from __future__ import annotations


class InvalidEventError(ValueError):
    """Bytes that are not a well-formed AtomEvent.

    Parameters
    ----------
    field : str
        The field that could not be read, such as ``tenant_id`` or
        ``molecules[3].coordinate_hash``; ``AtomEvent`` for the root table itself.
    position : int
        Byte position in the buffer where the trouble was found.
    reason : str
        What is wrong there.
    """

    field: str
    position: int
    reason: str

    def __init__(self, field: str, position: int, reason: str) -> None:
        super().__init__(field, position, reason)
        self.field = field
        self.position = position
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.field}: {self.reason} (at byte {self.position})"
