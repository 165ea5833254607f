from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any, Final, Protocol, Self, TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt
from typing_extensions import Buffer

from atomwire.codec.cell_error import CellError
from atomwire.codec.event_type import EventType
from atomwire.codec.molecules import Molecules
from atomwire.codec.timestamps import Timestamp

class _Message(Protocol):
    def value(self) -> bytes | None: ...

Hash: TypeAlias = int | Buffer
Hashes: TypeAlias = npt.NDArray[np.uint64]
Value: TypeAlias = float | np.number[Any] | str | bool | np.bool_ | date | np.datetime64 | CellError

EVENT_TYPE_UNKNOWN: Final[int]
EVENT_TYPE_MOLECULE_WRITE: Final[int]
EVENT_TYPE_CALC_REQUEST: Final[int]
EVENT_TYPE_SCHEMA_CHANGE: Final[int]
EVENT_TYPE_HEARTBEAT: Final[int]
MAX_MOLECULES: Final[int]
MAX_EVENT_BYTES: Final[int]

def encode(
    tenant_id: str,
    molecules: Molecules | None = None,
    *,
    type: EventType | int | None = None,
    event_id: str | UUID | None = None,
    trace_id: str | None = None,
    timestamp: Timestamp | None = None,
    user_id: str | None = None,
    schema_payload: str | None = None,
    region: str | None = None,
) -> bytes: ...
def encode_into(
    buffer: Buffer,
    tenant_id: str,
    molecules: Molecules | None = None,
    *,
    type: EventType | int | None = None,
    event_id: str | UUID | None = None,
    trace_id: str | None = None,
    timestamp: Timestamp | None = None,
    user_id: str | None = None,
    schema_payload: str | None = None,
    region: str | None = None,
) -> int: ...
def encoded_size(
    tenant_id: str,
    molecules: Molecules | None = None,
    *,
    type: EventType | int | None = None,
    event_id: str | UUID | None = None,
    trace_id: str | None = None,
    timestamp: Timestamp | None = None,
    user_id: str | None = None,
    schema_payload: str | None = None,
    region: str | None = None,
) -> int: ...

class Encoder:
    def __init__(
        self,
        tenant_id: str,
        *,
        user_id: str | None = None,
        region: str | None = None,
        trace_id: str | None = None,
    ) -> None: ...
    def cell(
        self,
        coordinate_hash: Hash,
        value: Value | None,
        *,
        timestamp: Timestamp | None = None,
        security_mask: int | None = None,
    ) -> bytes: ...
    def molecules(self, molecules: Molecules) -> bytes: ...
    def split(self, molecules: Molecules, max_bytes: int) -> Iterator[bytes]: ...

def peek_coordinate_hash(buf: Buffer, index: int = 0) -> int: ...
def peek_coordinate_hashes(buf: Buffer, out: Hashes | None = None) -> Hashes: ...
def peek_batch(bufs: Iterable[Buffer | _Message], out: Hashes | None = None) -> Hashes: ...
def peek_type(buf: Buffer, /) -> EventType: ...
def peek_tenant_id(buf: Buffer, /) -> str | None: ...
def peek_region(buf: Buffer, /) -> str | None: ...
def peek_event_id(buf: Buffer, /) -> str | None: ...
def peek_trace_id(buf: Buffer, /) -> str | None: ...
def peek_user_id(buf: Buffer, /) -> str | None: ...
def peek_timestamp(buf: Buffer, /) -> int: ...
def peek_schema_payload(buf: Buffer, /) -> str | None: ...
def peek_molecule_count(buf: Buffer, /) -> int: ...
def verify(buf: Buffer, /) -> None: ...

# For the package's own modules.

class Columns:
    count: int
    def __new__(cls, count: int, columns: tuple[Any, ...]) -> Self: ...

class Layout:
    count: int
    stride: int | None
    hashes: int | None
    fields: list[tuple[int, int | None]]

def scan(buf: Buffer, /) -> Layout: ...
def gather(
    buf: Buffer,
    layout: Layout,
    values: dict[int, npt.NDArray[Any]],
    absent: dict[int, npt.NDArray[np.bool_]],
) -> None: ...
def text_array(field: str, rows: Sequence[Any], count: int) -> tuple[npt.NDArray[Any], bool]: ...
def texts(buf: Buffer, field: int, count: int) -> list[str | None]: ...
