"""Everything this package can do with the bytes of a message."""

import atomwire
from atomwire import InvalidEventError
from support.cells import comparable

TEXT_PEEKS = (
    atomwire.peek_event_id,
    atomwire.peek_trace_id,
    atomwire.peek_tenant_id,
    atomwire.peek_user_id,
    atomwire.peek_schema_payload,
    atomwire.peek_region,
)
PEEKS = (
    *TEXT_PEEKS,
    atomwire.peek_type,
    atomwire.peek_timestamp,
    atomwire.peek_molecule_count,
    atomwire.peek_coordinate_hash,
    atomwire.peek_coordinate_hashes,
)


def peek_last(buf):
    return atomwire.peek_coordinate_hash(buf, -1)


def peek_one_in_a_batch(buf):
    return atomwire.peek_batch([buf])


INDEXED = (atomwire.peek_coordinate_hash, peek_last, peek_one_in_a_batch)


def refusal_of(buf):
    """Return the error of verify, None when it accepts."""
    try:
        atomwire.verify(buf)
    except InvalidEventError as error:
        return error
    return None


def read_all(event):
    """Touch everything of a decoded event and return its molecules as comparable rows."""
    repr(event)
    _ = (event.event_id, event.trace_id, event.timestamp, event.type, event.tenant_id)
    _ = (event.user_id, event.schema_payload, event.region)
    molecules = event.molecules
    repr(molecules)
    rows = comparable(molecules)
    assert len(rows) == len(molecules)
    structured = molecules.to_numpy()
    assert structured.shape == (len(rows),)
    assert molecules == molecules[:]
    return rows


def exercise(buf):
    """Peek, verify and decode; return the event, or None when it is refused.

    Fails on any exception but InvalidEventError (and IndexError for an index), and when verify
    accepts what cannot then be read in full.
    """
    refusal = refusal_of(buf)
    accepted = refusal is None
    if refusal is not None:
        assert isinstance(refusal.field, str)
        assert refusal.field
        assert refusal.reason
        assert refusal.position >= 0
    for peek in PEEKS:
        try:
            peek(buf)
        except InvalidEventError:
            assert not accepted, peek
        except IndexError:
            assert peek in INDEXED
    for peek in INDEXED[1:]:
        try:
            peek(buf)
        except InvalidEventError:
            assert not accepted, peek
        except IndexError:
            pass
    if not accepted:
        try:
            atomwire.decode(buf)
        except InvalidEventError:
            return None
        raise AssertionError("decode accepts what verify refuses")
    event = atomwire.decode(buf)
    read_all(event)
    return event
