"""Hash the members of a cell to its 128-bit coordinate.

A cell of a cube is named by one member of each dimension, in the order of the cube's
dimensions. Its coordinate is MurmurHash3 (x64, 128 bits, seed 0) of the members as UTF-8,
joined by the unit separator U+001F. Every service that writes or reads cells computes it in
this way, so what is here is part of the wire contract.

Needs the library mmh3: ``pip install atomwire[coordinates]``.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

try:
    from mmh3 import mmh3_x64_128_digest as _digest
except ImportError as error:
    raise ImportError(
        "atomwire.coordinates needs the library mmh3: pip install atomwire[coordinates]",
        name="mmh3",
    ) from error

__all__ = ["SEPARATOR", "MemberError", "coordinate_hash", "coordinate_hashes"]

SEPARATOR: Final = "\x1f"
"""What stands between two members in the hashed text (the ASCII unit separator)."""


class MemberError(ValueError):
    """A member that cannot be part of a coordinate.

    Attributes
    ----------
    dimension : int
        Which dimension the member belongs to, counted from 0.
    row : int or None
        Which row of the columns, counted from 0; None when a single cell was hashed.
    member : object
        The member as it was given.
    reason : str
        What is wrong with it.
    """

    def __init__(self, dimension: int, row: int | None, member: object, reason: str) -> None:
        where = f"dimension {dimension}" if row is None else f"dimension {dimension}, row {row}"
        super().__init__(f"{where}: member {member!r} {reason}")
        self.dimension = dimension
        self.row = row
        self.member = member
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        # By default, a copy is made of the text alone.
        return type(self), (self.dimension, self.row, self.member, self.reason), vars(self)


def coordinate_hash(*members: str) -> int:
    """Hash one cell.

    Parameters
    ----------
    *members : str
        One member of each dimension, in the order of the cube's dimensions.

    Returns
    -------
    int
        The coordinate, 128 bits: the digest read as a little-endian number.

    Raises
    ------
    MemberError
        If a member is no text, is not encodable as UTF-8 or contains U+001F.

    Examples
    --------
    >>> hex(coordinate_hash("West", "Chairs"))
    '0x95c4c7eadc36947de4266e902d43a9d1'
    """
    _require_dimensions(len(members))
    for dimension, member in enumerate(members):
        _check(dimension, None, member)
    return int.from_bytes(_digest(SEPARATOR.join(members).encode()), "little")


def coordinate_hashes(*columns: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Hash many cells that are given as columns, one column for each dimension.

    Parameters
    ----------
    *columns : sequence of str
        The members of one dimension, a row for each cell; all of the same length. The
        columns stand in the order of the cube's dimensions.

    Returns
    -------
    numpy.ndarray of uint64, shape (rows, 2)
        A row for each cell: the lower and the upper half of its coordinate, as
        `atomwire.Molecules` takes it.

    Raises
    ------
    MemberError
        If a member is no text, is not encodable as UTF-8 or contains U+001F.
    ValueError
        If there are no columns, or if they differ in length.

    Examples
    --------
    >>> coordinate_hashes(["West", "East"], ["Chairs", "Phones"]).shape
    (2, 2)
    """
    _require_dimensions(len(columns))
    _require_equal_lengths(columns)
    try:
        _forbid_separator(columns)
        texts = map(SEPARATOR.join, zip(*columns, strict=True))
        digests = bytearray().join(map(_digest, map(str.encode, texts)))
    except (TypeError, ValueError):
        # The columns are looked at one member at a time only when something is wrong.
        for dimension, column in enumerate(columns):
            for row, member in enumerate(column):
                _check(dimension, row, member)
        raise
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64, copy=False).reshape(-1, 2)


def _require_dimensions(count: int) -> None:
    if count == 0:
        raise ValueError("a coordinate needs a member of at least one dimension, none was given")


def _require_equal_lengths(columns: Sequence[Sequence[str]]) -> None:
    for dimension, column in enumerate(columns):
        if isinstance(column, str):
            # A text is a sequence of texts as well, and would be hashed letter by letter.
            raise TypeError(
                f"dimension {dimension}: {column!r} is one member, not a column; "
                "hash a single cell with coordinate_hash"
            )
        if len(column) != len(columns[0]):
            raise ValueError(
                f"dimension {dimension} has {len(column)} rows, "
                f"dimension 0 has {len(columns[0])}: the columns must be of one length"
            )


def _forbid_separator(columns: Sequence[Sequence[str]]) -> None:
    for column in columns:
        if SEPARATOR in "".join(column):
            raise ValueError("a member contains U+001F")


def _check(dimension: int, row: int | None, member: object) -> None:
    if not isinstance(member, str):
        raise MemberError(
            dimension, row, member, f"is of type {type(member).__name__}; give it as str"
        )
    if SEPARATOR in member:
        # Joined, ("a\x1fb",) and ("a", "b") would be one coordinate.
        raise MemberError(
            dimension, row, member, "contains U+001F, which separates members; remove it"
        )
    try:
        member.encode()
    except UnicodeEncodeError:
        raise MemberError(
            dimension, row, member, "is not encodable as UTF-8 (a lone surrogate)"
        ) from None
