# The bus's hot path: what every event and every cell passes on its way to the producer.
#
# A `Lane` keeps the order of the calls, gathers cells, and counts. Policies, threads and the disk are
# the business of `atomwire.bus`.

from collections import deque

cdef extern from "accumulate.hpp" namespace "atomwire" nogil:
    cdef cppclass Accumulator:
        cbool append(const Cell&)
        const MoleculeColumns* columns()
        void clear()
        uint64_t count() const
        uint64_t bytes_with(const Cell&) const

cdef extern from "verify.hpp" namespace "atomwire" nogil:
    cbool is_utf8(const uint8_t*, uint64_t)

cdef extern from *:
    """
    #include <chrono>
    #include <mutex>

    static inline int64_t atomwire_steady() noexcept {
      const auto now = std::chrono::steady_clock::now().time_since_epoch();
      return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
    }
    """
    int64_t steady "atomwire_steady"() noexcept nogil

    # Entered again by a thread that is inside: a finalizer or a signal handler may publish.
    cdef cppclass Mutex "std::recursive_mutex":
        cbool try_lock() noexcept nogil
        void lock() noexcept nogil
        void unlock() noexcept nogil

cdef int64_t NANOSECONDS_PER_MILLISECOND = 1_000_000
# What a message needs beside its key and value, at most (librdkafka's message format 2).
cdef Py_ssize_t MESSAGE_OVERHEAD = 64
cdef Py_ssize_t HEADER_OVERHEAD = 20


cdef struct Address:
    # Of an event: its tenant, in UTF-8, which is its key; and its time. The text lies in the event,
    # or in the tenant's str.
    const char* tenant
    Py_ssize_t size
    int64_t milliseconds


@cython.final
cdef class Cells:
    """The cells of one tenant that wait to become an event."""

    cdef Accumulator rows
    cdef str tenant_id
    cdef object user_id
    cdef object region
    cdef EventHead head
    cdef int64_t first  # when the first of them came
    cdef int64_t last  # when an event of theirs went out
    cdef int64_t due_from  # `first` as it was when they were put into the line
    cdef cbool in_line

    cdef int label(self, str tenant_id, object user_id, object region) except -1:
        cdef Envelope envelope
        if not tenant_id:
            raise ValueError(f"tenant_id={tenant_id!r}: must not be empty")
        set_text(&envelope.tenant_id, tenant_id, "tenant_id")
        set_text(&envelope.user_id, user_id, "user_id")
        set_text(&envelope.region, region, "region")
        envelope.type = EventType_MOLECULE_WRITE
        envelope.has_molecules = True
        if not self.head.prepare(envelope):
            raise MemoryError
        self.tenant_id = tenant_id
        self.user_id = user_id
        self.region = region
        return 0

    cdef bytes event(self, int64_t now):
        cdef MoleculePlan plan
        cdef const MoleculeColumns* columns = self.rows.columns()
        if columns == NULL:
            raise MemoryError
        error = plan.prepare(columns[0], self.head.size())
        if error != EncodeError.none:
            raise MemoryError  # the bounds of a gathered event leave no other cause
        event = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>plan.end())
        to = <uint8_t*>PyBytes_AS_STRING(event)
        self.head.stamp(to, now, now)
        plan.write(to)
        return event


@cython.final
cdef class Lane:
    """Events on their way to one producer after another, one at a time, in the order of the calls.

    A lane begins diverted. While it is, events are set aside in `waiting` instead, for the keeper
    to hand over later: rows of (number, tenant, event, milliseconds, headers).

    Parameters
    ----------
    linger_seconds : float
        How long a cell may wait for others of its tenant.
    max_event_bytes : int
        The limit of a message.
    gather_bytes : int
        The size at which an event of gathered cells goes out without waiting any longer.
    room : int
        Most events that are set aside in memory.
    store : callable or None
        Writes rows to the disk before they go anywhere (`durable`).
    refused : callable
        Takes librdkafka's error code, 0 for an event that is too large, and the size of the event:
        True to set the event aside, False when the queue is full, or raises.
    gathering : callable
        Called when the first cell begins to wait.
    """

    cdef Mutex mutex
    cdef cbool aside  # whether it is diverted
    cdef cbool closed
    cdef NativeProducer producer
    cdef readonly Settled settled
    cdef object store
    cdef object refused
    cdef object on_gathering
    cdef object on_waiting
    cdef object closed_error
    cdef int64_t linger
    cdef Py_ssize_t max_event_bytes
    cdef uint64_t gather_bytes
    cdef Py_ssize_t room
    cdef int64_t room_bytes
    cdef int64_t waiting_bytes
    cdef int64_t next_number
    cdef int64_t handed
    cdef int64_t stored  # the number of the last event that `store` took
    cdef int64_t accepted
    cdef int64_t failed
    cdef int64_t dropped
    cdef int64_t cells
    cdef dict tenants
    cdef Cells last_cells
    cdef object line  # the gathering tenants, in the order in which they are due
    cdef list waiting
    cdef list cell_headers

    def __cinit__(self, *, double linger_seconds, Py_ssize_t max_event_bytes,
                  Py_ssize_t gather_bytes, Py_ssize_t room, store, refused, gathering, waiting,
                  closed_error, cell_headers=None):
        self.settled = Settled()
        self.linger = <int64_t>(linger_seconds * 1e9)
        self.max_event_bytes = max_event_bytes
        self.gather_bytes = <uint64_t>min(gather_bytes, max_event_bytes)
        self.room = room
        self.room_bytes = <int64_t>1 << 30
        self.store = store
        self.refused = refused
        self.on_gathering = gathering
        self.on_waiting = waiting
        self.closed_error = closed_error
        self.cell_headers = cell_headers
        self.aside = True
        self.closed = False
        self.next_number = 1
        self.tenants = {}
        self.line = deque()
        self.waiting = []
        self.last_cells = None

    cdef inline void enter(self) noexcept:
        if not self.mutex.try_lock():
            with nogil:
                self.mutex.lock()

    # ---- Events.

    def publish(self, event, str tenant_id=None, list headers=None, bint reported=False):
        """Send or set aside one event.

        Returns its number, or 0 when there is no room. With `reported`, the number comes up in
        `settled` once the event was acknowledged.
        """
        return self.publish_one(event, tenant_id, headers, reported)

    cdef int64_t publish_one(self, event, str tenant_id, list headers, bint reported) except -1:
        cdef Address address
        read_address(event, tenant_id, &address)
        self.enter()
        try:
            return self.take(<bytes>event, address, headers, reported)
        finally:
            self.mutex.unlock()

    def publish_many(self, list events not None, Py_ssize_t start, str tenant_id=None):
        """Send or set aside events from `start` on; return how many of the list were taken.

        Every event is checked first. An exception of the producer says in `taken` how far it came.
        """
        cdef Address address
        cdef Py_ssize_t number = start
        self.check_many(events, tenant_id)
        self.enter()
        try:
            if self.store is not None:
                return self.store_many(events, start)
            while number < len(events):
                event = events[number]
                read_address(event, None, &address)
                if not self.take(<bytes>event, address, None, False):
                    break
                number += 1
            return number
        except Exception as error:
            error.taken = number
            raise
        finally:
            self.mutex.unlock()

    cpdef check_many(self, list events, str tenant_id=None):
        """Check events as `publish_many` does, and take none."""
        cdef Address address
        for event in events:
            read_address(event, tenant_id, &address)

    cdef Py_ssize_t store_many(self, list events, Py_ssize_t start) except -1:
        # All of them in one transaction.
        cdef Address address
        cdef list rows = []
        self.check_open()
        for event in events[start:]:
            read_address(event, None, &address)
            self.check_size(<bytes>event, address, None)
            self.flush_tenant(address, False)
            rows.append(row_of(self.next_number, <bytes>event, address, None))
            self.next_number += 1
        self.store(rows)
        self.stored = self.next_number - 1
        for row in rows:
            self.accepted += 1
            self.forward(row)
        return len(events)

    def hand_over(self, tuple row not None):
        """Give a row that was set aside to the producer; False when its queue is full."""
        self.enter()
        try:
            return self.give_row(row)
        finally:
            self.mutex.unlock()

    cdef int check_open(self) except -1:
        if self.closed:
            raise self.closed_error()
        return 0

    cdef int check_size(self, bytes event, const Address& address, list headers) except -1:
        # As the producer would, for an event that does not meet it yet.
        size = PyBytes_GET_SIZE(event)
        beside = address.size + MESSAGE_OVERHEAD
        if headers is not None:
            for name, value in headers:
                beside += 4 * len(name) + len(value) + HEADER_OVERHEAD
        if size + beside > self.max_event_bytes:
            self.refused(0, size)
        return 0

    cdef int64_t take(self, bytes event, const Address& address, list headers,
                      bint reported) except -1:
        self.check_open()
        if self.cells and not self.flush_tenant(address, False):
            return 0
        return self.send(event, address, headers, reported, False)

    cdef int64_t send(self, bytes event, const Address& address, list headers, bint reported,
                      bint force) except -1:
        cdef int64_t number = self.next_number
        if self.store is not None:
            row = row_of(number, event, address, headers)
            self.check_size(event, address, headers)
            self.store((row,))
            self.stored = number
            self.next_number += 1
            self.accepted += 1
            self.forward(row)
            return number
        if not self.aside:
            self.next_number += 1
            self.accepted += 1
            try:
                if self.give(number, event, address, headers, reported):
                    return number
            except:
                self.accepted -= 1
                raise
            self.accepted -= 1
            if not self.aside and not force:
                return 0
        return self.set_aside(number, event, address, headers, force)

    cdef int64_t set_aside(self, int64_t number, bytes event, const Address& address, list headers,
                           bint force) except -1:
        size = PyBytes_GET_SIZE(event)
        if not force:
            self.check_size(event, address, headers)
            if len(self.waiting) >= self.room or self.waiting_bytes + size > self.room_bytes:
                return 0
        if number == self.next_number:
            self.next_number += 1
        self.waiting.append(row_of(number, event, address, headers))
        self.waiting_bytes += size
        self.accepted += 1
        self.on_waiting()
        return number

    cdef int forward(self, tuple row) except -1:
        # A row that is on the disk: if it cannot go now, it is read from there later. The keeper
        # meets what the producer has against it again, and gives it up: the caller's part is done.
        if not self.aside:
            try:
                self.aside = not self.give_row(row)
            except Exception:
                self.aside = True
        if self.aside:
            self.on_waiting()
        return 0

    cdef bint give_row(self, tuple row) except -1:
        cdef Address address
        address.tenant = PyUnicode_AsUTF8AndSize(row[1], &address.size)
        address.milliseconds = row[3]
        return self.give(row[0], <bytes?>row[2], address, row[4], True)

    cdef bint give(self, int64_t number, bytes event, const Address& address, list headers,
                   bint reported) except -1:
        error = self.producer.produce(
            address.tenant, address.size, event, address.milliseconds, headers, number, reported
        )
        if error == 0:
            self.handed = number
            return True
        if self.refused(error, PyBytes_GET_SIZE(event)):
            self.aside = True
        return False

    # ---- Cells.

    def write(self, str tenant_id not None, coordinate_hash, value, timestamp=None,
              security_mask=None, user_id=None, region=None):
        """Take one cell; False when there is no room.

        After a quiet spell it goes out at once, otherwise it waits for others of its tenant.
        """
        cdef Cell cell
        cdef Cells cells
        fill_cell(cell, coordinate_hash, value, timestamp, security_mask)
        self.enter()
        try:
            self.check_open()
            cells = self.last_cells
            if cells is None or cells.tenant_id is not tenant_id:
                cells = self.tenants.get(tenant_id)
                if cells is None:
                    cells = Cells()
                    cells.last = steady() - self.linger - 1
                    cells.label(tenant_id, user_id, region)
                    self.tenants[tenant_id] = cells
                self.last_cells = cells
            if cells.user_id is not user_id or cells.region is not region:
                if cells.user_id != user_id or cells.region != region:
                    if not self.flush_cells(cells, False):
                        return False
                    cells.label(tenant_id, user_id, region)
            return self.gather(cells, cell)
        finally:
            self.mutex.unlock()

    cdef bint gather(self, Cells cells, const Cell& cell) except -1:
        cdef uint64_t head = cells.head.size()
        if head + cells.rows.bytes_with(cell) > self.gather_bytes:
            if not self.flush_cells(cells, False):
                return False
            size = head + cells.rows.bytes_with(cell)
            if size + 2 * MESSAGE_OVERHEAD > <uint64_t>self.max_event_bytes:
                self.refused(0, size)
        first = cells.rows.count() == 0
        if first:
            cells.first = steady()
        if not cells.rows.append(cell):
            raise MemoryError
        self.cells += 1
        if not first:
            return True
        if cells.first - cells.last > self.linger or self.linger == 0:
            try:
                if self.flush_cells(cells, False):
                    return True
            except:
                self.forget(cells)
                raise
            self.forget(cells)
            return False
        if not cells.in_line:
            cells.in_line = True
            cells.due_from = cells.first
            self.line.append(cells)
            if len(self.line) == 1:
                self.on_gathering()
        return True

    cdef int forget(self, Cells cells) except -1:
        self.cells -= <int64_t>cells.rows.count()
        cells.rows.clear()
        return 0

    cdef bint flush_tenant(self, const Address& address, bint force) except -1:
        cdef Cells cells = self.tenants.get(tenant_of(address))
        return cells is None or self.flush_cells(cells, force)

    cdef bint flush_cells(self, Cells cells, bint force) except -1:
        # The cells as an event; False when there is no room for it, and the cells stay.
        cdef Address address
        if cells.rows.count() == 0:
            return True
        now = unix_nanoseconds()
        address.tenant = PyUnicode_AsUTF8AndSize(cells.tenant_id, &address.size)
        address.milliseconds = now // NANOSECONDS_PER_MILLISECOND
        if not self.send(cells.event(now), address, self.cell_headers, False, force):
            return False
        self.forget(cells)
        cells.last = steady()
        return True

    def flush_due(self, bint drop=False):
        """Send the cells that have waited long enough.

        Returns the seconds until more are due, or None when no cells wait. Cells without room stay,
        or are dropped (as one event a tenant) when that is wanted.
        """
        cdef Cells cells
        self.enter()
        try:
            now = steady()
            for _ in range(len(self.line)):
                cells = self.line[0]
                if cells.rows.count() == 0:
                    cells.in_line = False
                elif cells.due_from != cells.first:  # went out in between, and gathers again
                    cells.due_from = cells.first
                    self.line.append(cells)
                elif cells.first + self.linger > now:
                    break
                elif self.flush_cells(cells, False):
                    cells.in_line = False
                elif drop:
                    self.drop_cells(cells)
                    cells.in_line = False
                else:
                    return max(self.linger, NANOSECONDS_PER_MILLISECOND) / 1e9
                self.line.popleft()
            if not self.line:
                return None
            cells = self.line[0]
            return max(cells.first + self.linger - now, 0) / 1e9
        finally:
            self.mutex.unlock()

    def flush_all(self, bint force=False):
        """Send the cells of all tenants; False when some found no room. Forced, they are set aside."""
        cdef bint sent = True
        self.enter()
        try:
            if self.cells:
                for cells in list(self.tenants.values()):
                    sent = self.flush_cells(cells, force) and sent
            return sent
        finally:
            self.mutex.unlock()

    cdef int drop_cells(self, Cells cells) except -1:
        self.forget(cells)
        self.dropped += 1
        cells.last = steady()
        return 0

    def drop_tenant(self, str tenant_id not None):
        """Drop the cells of a tenant that found no room: one event less."""
        cdef Cells cells
        self.enter()
        try:
            cells = self.tenants.get(tenant_id)
            if cells is not None and cells.rows.count():
                self.drop_cells(cells)
            else:
                self.dropped += 1
        finally:
            self.mutex.unlock()

    # ---- For the keeper of the lane.

    def open(self, NativeProducer producer not None, bint diverted):
        """Send to a producer from now on, or set aside what comes, for it."""
        self.enter()
        try:
            self.producer = producer
            self.aside = diverted
        finally:
            self.mutex.unlock()

    def divert(self):
        """Set aside what comes from now on; what is on the disk is to be handed over again."""
        self.enter()
        try:
            self.aside = True
            self.handed = 0
        finally:
            self.mutex.unlock()

    def rejoin(self, int64_t number_stored):
        """Send directly again, unless something was set aside or stored in the meantime."""
        self.enter()
        try:
            self.aside = bool(self.waiting) or self.stored != number_stored
            return not self.aside
        finally:
            self.mutex.unlock()

    def close(self):
        """Refuse what comes from now on."""
        self.enter()
        self.closed = True
        self.mutex.unlock()

    def take_waiting(self):
        """Return the rows set aside so far, and forget them."""
        self.enter()
        rows, self.waiting = self.waiting, []
        self.waiting_bytes = 0
        self.mutex.unlock()
        return rows

    def put_back(self, list rows not None):
        """Set rows aside again, before those that came since."""
        self.enter()
        try:
            self.waiting = rows + self.waiting
            for row in rows:
                self.waiting_bytes += PyBytes_GET_SIZE(row[2])
        finally:
            self.mutex.unlock()

    def count_failed(self, int64_t events):
        """Count events that are given up."""
        self.failed += events

    def count_dropped(self, int64_t events):
        """Count events that found no room and are not wanted then."""
        self.dropped += events

    def count_adopted(self, int64_t events, int64_t last_number):
        """Count events that an earlier process had accepted; number new ones behind them."""
        self.accepted += events
        self.next_number = max(self.next_number, last_number + 1)

    def counts(self):
        """Return accepted, delivered, failed, dropped, in flight, waiting events, waiting cells."""
        self.enter()
        # In flight before delivered: what arrives in between is then in both, and not in neither.
        in_flight = self.settled.reports.in_flight()
        counts = (self.accepted, self.settled.reports.delivered(), self.failed, self.dropped,
                  in_flight, len(self.waiting), self.cells)
        self.mutex.unlock()
        return counts

    @property
    def number_handed_over(self):
        """The number of the last event that the producer took."""
        return self.handed

    @property
    def in_flight(self):
        """How many events the producer has."""
        return self.settled.reports.in_flight()

    @property
    def number_stored(self):
        """The number of the last event that `store` took."""
        return self.stored

    @property
    def diverted(self):
        """Whether events are set aside."""
        return self.aside


cdef class Publisher:
    """The call of a bus that is made for each event, without a frame of Python.

    Its class has `_publish_otherwise`, for what the lane alone cannot do.
    """

    cdef public object _lane
    cdef public bint _with_headers

    def publish(self, event, *, str tenant_id=None, headers=None):
        """Queue one event and return at once.

        Parameters
        ----------
        event : bytes
            An encoded AtomEvent. Its envelope is checked here, its molecules are not.
        tenant_id : str, optional
            The tenant that the event is expected to have.
        headers : Mapping[str, str | bytes], optional
            Headers of the message, beside those that the settings ask for.

        Raises
        ------
        TypeError
            `event` is not bytes.
        InvalidEventError
            `event` is no AtomEvent, or has no tenant. Nothing was queued.
        ValueError
            `tenant_id` is not the event's. Nothing was queued.
        BusFullError
            The queue is full, and `on_full` says to raise; or the spool is, too.
        EventTooLargeError
            The event is larger than `max_event_bytes`.
        SpoolError
            The event could not be written to the disk (`durable`).
        BusClosedError
            The bus was closed.
        PublishError
            The producer refused the event.
        """
        lane = self._lane
        if headers is None and not self._with_headers and type(lane) is Lane:
            if (<Lane>lane).publish_one(event, tenant_id, None, False):
                return
        self._publish_otherwise(event, tenant_id, headers)


# ---- Where an event goes, and when it was.

def milliseconds_of(bytes event not None):
    """Return the time that an event's message has, 0 when there is none."""
    cdef Bytes memory
    cdef Fault fault
    cdef int64_t time = 0
    memory.data = <const uint8_t*>PyBytes_AS_STRING(event)
    memory.size = <uint64_t>PyBytes_GET_SIZE(event)
    peek_int64(memory, EventField.timestamp, time, fault)
    return milliseconds(time)


cdef inline int64_t milliseconds(int64_t time) noexcept:
    # 0 is the producer's 'now', and what it gets for a time before 1970, too.
    return time // NANOSECONDS_PER_MILLISECOND if time > 0 else 0


cdef int read_address(object event, str tenant_id, Address* address) except -1:
    cdef Bytes memory
    cdef Text text
    cdef Fault fault
    cdef int64_t time = 0
    if not PyBytes_CheckExact(event):
        raise TypeError(f"event: must be bytes, not {type(event).__name__}")
    memory.data = <const uint8_t*>PyBytes_AS_STRING(event)
    memory.size = <uint64_t>PyBytes_GET_SIZE(event)
    if not peek_text(memory, EventField.tenant_id, text, fault):
        peek_tenant_id(event)  # raises
    if text.size == 0:
        raise InvalidEventError("tenant_id", 0, "is null or empty, and it is the Kafka key")
    if not is_utf8(<const uint8_t*>text.data, text.size):
        peek_tenant_id(event)  # raises
    if not peek_int64(memory, EventField.timestamp, time, fault):
        peek_timestamp(event)  # raises
    address.tenant = text.data
    address.size = <Py_ssize_t>text.size
    address.milliseconds = milliseconds(time)
    if tenant_id is not None and tenant_id != tenant_of(address[0]):
        raise ValueError(
            f"tenant_id={tenant_id!r}: the event's own is {tenant_of(address[0])!r}, and is the key"
        )
    return 0


cdef str tenant_of(const Address& address):
    return PyUnicode_DecodeUTF8(address.tenant, address.size, NULL)


cdef tuple row_of(int64_t number, bytes event, const Address& address, list headers):
    return (number, tenant_of(address), event, address.milliseconds, headers)
