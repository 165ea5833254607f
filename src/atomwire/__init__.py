"""FlatBuffers events over Kafka at the speed of memory."""

from atomwire._codec import (
    Encoder,
    encode,
    encode_into,
    encoded_size,
    peek_batch,
    peek_coordinate_hash,
    peek_coordinate_hashes,
    peek_event_id,
    peek_molecule_count,
    peek_region,
    peek_schema_payload,
    peek_tenant_id,
    peek_timestamp,
    peek_trace_id,
    peek_type,
    peek_user_id,
    verify,
)
from atomwire.cell_error import CellError
from atomwire.errors import InvalidEventError
from atomwire.event import Event, decode
from atomwire.event_type import EventType
from atomwire.molecules import Molecule, Molecules

__all__ = [
    "CellError",
    "Encoder",
    "Event",
    "EventType",
    "InvalidEventError",
    "Molecule",
    "Molecules",
    "decode",
    "encode",
    "encode_into",
    "encoded_size",
    "peek_batch",
    "peek_coordinate_hash",
    "peek_coordinate_hashes",
    "peek_event_id",
    "peek_molecule_count",
    "peek_region",
    "peek_schema_payload",
    "peek_tenant_id",
    "peek_timestamp",
    "peek_trace_id",
    "peek_type",
    "peek_user_id",
    "verify",
]
