# Encoding many events of one sender.

cdef class Encoder:
    """Encodes MOLECULE_WRITE events of one tenant; what they share is stamped once.

    It never changes, so threads may share it. Each event gets a fresh event id (UUIDv7) and time.

    Parameters
    ----------
    tenant_id : str
        Never empty.
    user_id, region : str, optional
    trace_id : str, optional
        32 hex characters.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, its value and what it must be.
    """

    cdef EventHead head

    def __cinit__(self, tenant_id, *, user_id=None, region=None, trace_id=None):
        cdef Envelope envelope
        set_tenant(&envelope.tenant_id, tenant_id)
        set_text(&envelope.user_id, user_id, "user_id")
        set_text(&envelope.region, region, "region")
        set_text(&envelope.trace_id, checked_trace_id(trace_id), "trace_id")
        envelope.type = EventType_MOLECULE_WRITE
        envelope.has_molecules = True
        if not self.head.prepare(envelope):
            raise MemoryError

    cdef bytes stamp(self, const MoleculePlan& plan, uint64_t count, int64_t now, int64_t timestamp):
        event = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>plan.end())
        to = <uint8_t*>PyBytes_AS_STRING(event)
        self.head.stamp(to, now, timestamp)
        write_plan(plan, to, count)
        return event

    def cell(self, coordinate_hash, value, *, timestamp=None, security_mask=None):
        """Encode one changed cell: the keystroke.

        Parameters
        ----------
        coordinate_hash : int or 16 bytes
            The cell.
        value : float, int, str, bool, datetime, date, datetime64, CellError or None
            Its type says which value field it becomes; None sets none of them. NaT is refused: in
            a cell by itself it is more often a mistake than a wish.
        timestamp : int, datetime or datetime64, optional
            When the cell was written: the time of the event, and of the molecule. When not given,
            the event carries the present and the molecule no time of its own.
        security_mask : int, optional
            64 bits without a sign.

        Returns
        -------
        bytes
            An event with one molecule.

        Raises
        ------
        TypeError, ValueError
            Naming the argument, its value and what it must be.
        """
        cdef Cell cell
        cdef MoleculePlan plan
        cdef MoleculeColumns columns
        cdef int64_t now = unix_nanoseconds()
        fill_cell(cell, coordinate_hash, value, timestamp, security_mask)
        columns = columns_of_cell(cell)  # the plan looks at them until it is written
        prepare_plan(plan, columns, self.head.size())
        return self.stamp(plan, 1, now, cell.timestamp if cell.has_timestamp else now)

    def molecules(self, molecules):
        """Encode changed cells as one event.

        Parameters
        ----------
        molecules : Molecules
            At most 999,999.

        Returns
        -------
        bytes

        Raises
        ------
        ValueError
            When there are more, or more bytes than one event may have.
        """
        cdef MoleculePlan plan
        columns = columns_of(molecules)
        prepare_plan(plan, columns.native, self.head.size())
        now = unix_nanoseconds()
        return self.stamp(plan, columns.count, now, now)

    def split(self, molecules, max_bytes):
        """Encode changed cells as several events, in order, none larger than the limit.

        Parameters
        ----------
        molecules : Molecules
            Any number; none make no event.
        max_bytes : int
            Such as the broker's ``message.max.bytes``, less the room for key and headers.

        Returns
        -------
        iterator of bytes

        Raises
        ------
        ValueError
            While iterating, when one molecule alone is larger than the limit. The events before it
            have been handed out by then.
        """
        if isinstance(max_bytes, bool) or not is_integer(max_bytes):
            raise wrong_type("max_bytes", max_bytes, "an int")
        return self.parts(columns_of(molecules), min(max(int(max_bytes), 0), kMaxEventBytes))

    def parts(self, HeldColumns columns not None, uint64_t max_bytes):
        # The rows that fit are guessed from the last part, and fewer are taken until they do.
        cdef MoleculePlan plan
        cdef MoleculeColumns part
        cdef uint64_t first = 0
        cdef uint64_t rows = kMaxMolecules
        cdef uint64_t start = self.head.size()
        cdef EncodeError error
        while first < columns.count:
            rows = min(rows, columns.count - first, kMaxMolecules)
            while True:
                part = rows_of(columns.native, first, rows)
                error = plan_of(plan, part, start)
                if error == EncodeError.too_large and rows > 1:
                    rows //= 2
                    continue
                if error != EncodeError.none:
                    raise_encode_error(error, rows)
                if plan.end() <= max_bytes:
                    break
                if rows == 1:
                    raise ValueError(
                        f"max_bytes: {max_bytes}, but molecules[{first}] alone makes an event of "
                        f"{plan.end()} bytes"
                    )
                rows = max(1, min(rows - 1, rows * max_bytes // plan.end()))
            now = unix_nanoseconds()
            yield self.stamp(plan, rows, now, now)
            first += rows
            rows = rows + rows // 8 + 1
