"""Errors as values of cells."""

from __future__ import annotations


class CellError(str):
    """The error that a cell shows instead of a value, such as ``CellError("#DIV/0!")``.

    A str of its own type, so that it travels as ``error_value`` and not as text.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"CellError({super().__repr__()})"
