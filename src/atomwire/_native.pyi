from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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

# ---- The codec.

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

# ---- The codec, for the package's own modules.

class HeldColumns:
    count: int
    def __new__(cls, count: int, columns: tuple[Any, ...]) -> Self: ...

class MessageLayout:
    count: int
    stride: int | None
    hashes: int | None
    fields: list[tuple[int, int | None]]

def scan(buf: Buffer, /) -> MessageLayout: ...
def gather(
    buf: Buffer,
    layout: MessageLayout,
    values: dict[int, npt.NDArray[Any]],
    absent: dict[int, npt.NDArray[np.bool_]],
) -> None: ...
def text_array(field: str, rows: Sequence[Any], count: int) -> tuple[npt.NDArray[Any], bool]: ...
def texts(buf: Buffer, field: int, count: int) -> list[str | None]: ...

# ---- The bus: the producer.

Headers: TypeAlias = list[tuple[str, bytes]]
# Number, tenant, bytes and headers of the event, librdkafka's error code and its words.
Failure: TypeAlias = tuple[int, str, bytes, Headers | None, int, str]
# Whether it is an error, and a fatal one; its code, or a line's syslog level; facility and text.
Notice: TypeAlias = tuple[bool, bool, int, str, str]

def missing_from(path: str) -> str | None: ...
def keep_forever(thing: object) -> None: ...

class Settled:
    def some(self) -> bool: ...
    def take(self) -> tuple[list[int], list[Failure], int]: ...

class NativeProducer:
    def __init__(self, properties: dict[str, str], topic: str, settled: Settled) -> None: ...
    settled: Settled
    def serve(self) -> None: ...
    def stop(self) -> None: ...
    def flush(self, seconds: float) -> None: ...
    def purge(self, in_flight: bool) -> None: ...
    def close(self) -> None: ...
    def notices(self) -> list[Notice]: ...
    def statistics(self) -> str: ...
    def provoke_fatal_error(self, code: int, reason: str) -> int: ...

# ---- The bus: what every event and cell passes.

# Number, tenant, bytes, milliseconds and headers of an event.
Row: TypeAlias = tuple[int, str, bytes, int, Headers | None]

class Publisher:
    _lane: Lane
    _with_headers: bool
    def publish(
        self,
        event: bytes,
        *,
        tenant_id: str | None = None,
        headers: Mapping[str, str | bytes] | None = None,
    ) -> None: ...

def milliseconds_of(event: bytes) -> int: ...

class Lane:
    settled: Settled
    def __init__(
        self,
        *,
        linger_seconds: float,
        max_event_bytes: int,
        gather_bytes: int,
        room: int,
        store: Callable[[Sequence[Row]], None] | None,
        refused: Callable[[int, int], bool],
        gathering: Callable[[], None],
        waiting: Callable[[], None],
        closed_error: Callable[[], Exception],
        cell_headers: Headers | None = None,
    ) -> None: ...
    def publish(
        self,
        event: bytes,
        tenant_id: str | None = None,
        headers: Headers | None = None,
        reported: bool = False,
    ) -> int: ...
    def publish_many(
        self, events: list[bytes], start: int, tenant_id: str | None = None
    ) -> int: ...
    def check_many(self, events: list[bytes], tenant_id: str | None = None) -> None: ...
    def hand_over(self, row: Row) -> bool: ...
    def write(
        self,
        tenant_id: str,
        coordinate_hash: Hash,
        value: Value | None,
        timestamp: Timestamp | None = None,
        security_mask: int | None = None,
        user_id: str | None = None,
        region: str | None = None,
    ) -> bool: ...
    def flush_due(self, drop: bool = False) -> float | None: ...
    def flush_all(self, force: bool = False) -> bool: ...
    def drop_tenant(self, tenant_id: str) -> None: ...
    def open(self, producer: NativeProducer, diverted: bool) -> None: ...
    def divert(self) -> None: ...
    def rejoin(self, number_stored: int) -> bool: ...
    def close(self) -> None: ...
    def take_waiting(self) -> list[Row]: ...
    def put_back(self, rows: list[Row]) -> None: ...
    def count_failed(self, events: int) -> None: ...
    def count_dropped(self, events: int) -> None: ...
    def count_adopted(self, events: int, last_number: int) -> None: ...
    def counts(self) -> tuple[int, int, int, int, int, int, int]: ...
    @property
    def number_handed_over(self) -> int: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def number_stored(self) -> int: ...
    @property
    def diverted(self) -> bool: ...
