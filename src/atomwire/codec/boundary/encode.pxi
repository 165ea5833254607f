# Encoding one event.

from libc.string cimport memset

import re
from uuid import UUID

UUID_TEXT = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
TRACE_ID_TEXT = re.compile("[0-9a-fA-F]{32}")


cdef HeldColumns columns_of(object molecules):
    native_columns = getattr(molecules, "_native_columns", None)
    if native_columns is None:
        raise wrong_type("molecules", molecules, "an atomwire.Molecules")
    return native_columns()



cdef int set_tenant(Text* to, object tenant_id) except -1:
    set_text(to, tenant_id, "tenant_id")
    if to.size == 0:
        raise ValueError(
            f"tenant_id: {tenant_id!r}, but every event needs one: it is also the key of the message"
        )
    return 0


cdef str checked_event_id(object event_id):
    text = str(event_id) if isinstance(event_id, UUID) else event_id
    if not isinstance(text, str):
        raise wrong_type("event_id", event_id, "the 36 characters of a UUID")
    if UUID_TEXT.fullmatch(text) is None:
        raise ValueError(f"event_id: {shown(event_id)} is not the 36 characters of a UUID")
    return text


cdef object checked_trace_id(object trace_id):
    if trace_id is None:
        return None
    if not isinstance(trace_id, str):
        raise wrong_type("trace_id", trace_id, "32 hex characters")
    if TRACE_ID_TEXT.fullmatch(trace_id) is None:
        raise ValueError(f"trace_id: {shown(trace_id)} is not 32 hex characters")
    return trace_id


cdef int8_t checked_type(object type, object molecules, object schema_payload) except? -1:
    if type is None:
        if molecules is not None:
            return EventType_MOLECULE_WRITE
        if schema_payload is not None:
            return EventType_SCHEMA_CHANGE
        raise ValueError(
            "type: not given, and neither molecules nor a schema_payload tell it; "
            "pass one of EventType"
        )
    if isinstance(type, bool) or not isinstance(type, int):
        raise wrong_type("type", type, "an EventType")
    if not -128 <= type <= 127:
        raise ValueError(f"type: {shown(type)} does not fit into a byte")
    return type


cdef inline void write_plan(const MoleculePlan& plan, uint8_t* event, uint64_t count):
    if count < RELEASE_GIL_FROM:
        plan.write(event)
    else:
        with nogil:
            plan.write(event)


cdef EncodeError plan_of(MoleculePlan& plan, const MoleculeColumns& columns, uint64_t start) noexcept:
    cdef EncodeError error
    # Where all rows are alike, planning does not look at them.
    if columns.count < RELEASE_GIL_FROM or not columns.may_differ():
        return plan.prepare(columns, start)
    with nogil:
        error = plan.prepare(columns, start)
    return error


cdef int prepare_plan(MoleculePlan& plan, const MoleculeColumns& columns, uint64_t start) except -1:
    cdef EncodeError error = plan_of(plan, columns, start)
    if error != EncodeError.none:
        raise_encode_error(error, columns.count)
    return 0


cdef class Draft:
    """One event, planned: its size is known, and it can be written anywhere."""

    cdef Envelope envelope
    cdef char event_id[36]
    cdef tuple kept
    cdef HeldColumns columns
    cdef MoleculePlan plan
    cdef uint64_t size

    def __cinit__(self, tenant_id, molecules, type, event_id, trace_id, timestamp, user_id,
                  schema_payload, region):
        cdef int64_t now = unix_nanoseconds()
        set_tenant(&self.envelope.tenant_id, tenant_id)
        if event_id is None:
            write_uuid7(now, self.event_id)
            self.envelope.event_id.data = self.event_id
            self.envelope.event_id.size = kEventIdChars
        else:
            event_id = checked_event_id(event_id)
            set_text(&self.envelope.event_id, event_id, "event_id")
        set_text(&self.envelope.trace_id, checked_trace_id(trace_id), "trace_id")
        set_text(&self.envelope.user_id, user_id, "user_id")
        set_text(&self.envelope.schema_payload, schema_payload, "schema_payload")
        set_text(&self.envelope.region, region, "region")
        # The texts live in these.
        self.kept = (tenant_id, event_id, trace_id, user_id, schema_payload, region)
        self.envelope.timestamp = now if timestamp is None else nanoseconds(timestamp)
        self.envelope.type = checked_type(type, molecules, schema_payload)
        self.envelope.has_molecules = molecules is not None
        self.size = envelope_size(self.envelope)
        if molecules is None:
            self.size = (self.size + 7) & ~<uint64_t>7
            if self.size > kMaxEventBytes:
                raise ValueError(f"the texts of the event make {self.size} bytes, 2 GiB or more")
        else:
            self.columns = columns_of(molecules)
            prepare_plan(self.plan, self.columns.native, self.size)
            self.size = self.plan.end()

    cdef void write(self, uint8_t* to):
        if self.columns is None:
            store_padding(to, self.size)
        write_envelope(to, self.envelope)
        if self.columns is not None:
            write_plan(self.plan, to, self.columns.count)


cdef inline void store_padding(uint8_t* event, uint64_t size) noexcept:
    memset(event + size - 4, 0, 4)


def encode(tenant_id, molecules=None, *, type=None, event_id=None, trace_id=None, timestamp=None,
           user_id=None, schema_payload=None, region=None):
    """Encode one event.

    Parameters
    ----------
    tenant_id : str
        Never empty: it is also the key of the Kafka message.
    molecules : Molecules, optional
        The changed cells, at most 999,999.
    type : EventType, optional
        MOLECULE_WRITE when there are molecules, SCHEMA_CHANGE with a `schema_payload` alone; needed
        otherwise.
    event_id : str or uuid.UUID, optional
        36 characters; a new UUIDv7 (RFC 9562) when not given.
    trace_id : str, optional
        OpenTelemetry trace id, 32 hex characters.
    timestamp : int, datetime or datetime64, optional
        Unix nanoseconds as int; now when not given.
    user_id : str, optional
    schema_payload : str, optional
        JSON text.
    region : str, optional
        The region that all molecules share.

    Returns
    -------
    bytes
        The whole message.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, its value and what it must be. ValueError, too, for more molecules or
        bytes than one event may have; `Encoder.split` makes several events.
    """
    draft = Draft(tenant_id, molecules, type, event_id, trace_id, timestamp, user_id,
                  schema_payload, region)
    event = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>draft.size)
    draft.write(<uint8_t*>PyBytes_AS_STRING(event))
    return event


def encode_into(buffer, tenant_id, molecules=None, *, type=None, event_id=None, trace_id=None,
                timestamp=None, user_id=None, schema_payload=None, region=None):
    """Encode one event into memory of the caller's.

    Parameters
    ----------
    buffer : writable bytes-like
        Where the event goes, from its first byte on. Nothing is written when it is too small.
    tenant_id, molecules, type, event_id, trace_id, timestamp, user_id, schema_payload, region
        As for `encode`.

    Returns
    -------
    int
        How many bytes were written.

    Raises
    ------
    BufferError
        When the event does not fit, with the size it needs.
    TypeError, ValueError
        Naming the argument, its value and what it must be. ValueError, too, for more molecules or
        bytes than one event may have; `Encoder.split` makes several events.
    """
    draft = Draft(tenant_id, molecules, type, event_id, trace_id, timestamp, user_id,
                  schema_payload, region)
    target = hold_target(buffer, PyBUF_WRITABLE, "buffer")
    if <uint64_t>target.view.len < draft.size:
        raise BufferError(
            f"buffer: {target.view.len} bytes, but the event needs {draft.size}"
        )
    draft.write(<uint8_t*>target.view.buf)
    return draft.size


def encoded_size(tenant_id, molecules=None, *, type=None, event_id=None, trace_id=None,
                 timestamp=None, user_id=None, schema_payload=None, region=None):
    """Return how many bytes `encode` makes of the same arguments; it is exact.

    Parameters
    ----------
    tenant_id, molecules, type, event_id, trace_id, timestamp, user_id, schema_payload, region
        As for `encode`.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, its value and what it must be. ValueError, too, for more molecules or
        bytes than one event may have; `Encoder.split` makes several events.
    """
    return Draft(tenant_id, molecules, type, event_id, trace_id, timestamp, user_id,
                 schema_payload, region).size
