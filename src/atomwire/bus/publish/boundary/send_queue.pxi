# The send queue as Python has it: buffers in, verdicts out. What to do about a verdict is policy, and
# no matter of this file; no Python runs while the native queue works.

# Verdicts, as `SendQueue.offer` and `SendQueue.write` return them.
AWAITS_DISK = <int>Verdict.awaits_disk
FULL = <int>Verdict.full
CLOSED = <int>Verdict.closed
TOO_LARGE = <int>Verdict.too_large
NO_MEMORY = <int>Verdict.no_memory
REFUSED = <int>Verdict.refused


def check_no_lock(str doing not None):
    """Abort when this thread holds a lock of a bus; does nothing but in a sanitizer build."""
    encoded = doing.encode()
    native_check_no_lock(encoded)


@cython.final
cdef class Claim:
    """What a publisher has of an event before it knows of it: a signal handler may raise in between.

    Attributes
    ----------
    number : int
        Of the event that was taken, or awaits the disk; 0 before, and when it was withdrawn.
    """

    cdef readonly int64_t number


@cython.final
@cython.no_gc_clear  # it needs the queue until its end
cdef class Flush:
    """Has a queue send without lingering, from `begin` to `end`.

    It knows by itself whether it has begun: a signal handler may raise before its caller does. What is
    let go of ends, too.
    """

    cdef SendQueue queue
    cdef bint begun

    def __cinit__(self, SendQueue queue not None):
        self.queue = queue

    def __dealloc__(self):
        self.end()

    cpdef begin(self):
        """Send without lingering."""
        if not self.begun:
            self.begun = True
            self.queue.queue.begin_flush()

    cpdef end(self):
        """Linger again."""
        if self.begun:
            self.begun = False
            self.queue.queue.end_flush()


cdef class SendQueue:
    """Every event and cell of one bus, from its acceptance to its end.

    Parameters
    ----------
    linger_ms : float
        How long a cell may wait for others of its tenant.
    max_event_bytes : int
        Of a message, with key and headers.
    queue_size, queue_bytes : int
        Events in memory, and their bytes.
    disk : bool
        What finds no room waits on the disk.
    durable : bool
        Everything goes there first.
    drop : bool
        Gathered cells without room are dropped.
    expire_ms : float
        Events that have waited as long are given up; 0 is never.
    cell_headers : list of (str, bytes)
        Of the events that are made of cells.

    Attributes
    ----------
    attended : bool
        Whether the threads of Python that it needs have begun.
    """

    cdef NativeQueue* queue
    cdef Sender* sender
    cdef public bint attended

    def __cinit__(self, *, double linger_ms, uint64_t max_event_bytes, int64_t queue_size,
                  int64_t queue_bytes, bint disk, bint durable, bint drop, double expire_ms,
                  list cell_headers not None):
        cdef QueueSettings settings
        settings.linger = <int64_t>(linger_ms * 1e6)
        settings.max_event_bytes = max_event_bytes
        settings.queue_events = queue_size
        settings.queue_bytes = queue_bytes
        settings.disk = disk
        settings.durable = durable
        settings.drop = drop
        settings.expire_after = <int64_t>(expire_ms * 1e6)
        settings.steady = atomwire_steady
        settings.unix_time = atomwire_unix_time
        fill_headers(settings.cell_headers, cell_headers)
        self.queue = new NativeQueue(settings)
        self.sender = new Sender(self.queue[0])

    def __dealloc__(self):
        with nogil:
            del self.sender
            del self.queue

    # ---- For publishers.

    def offer(self, event, str tenant_id, list headers, bint wanted=False, int64_t after=0,
              Claim claim=None, double seconds=0.0):
        """Take one event, or say why not; a durable queue has it wait for the disk, so many seconds.

        Returns
        -------
        (verdict, number, size)
            The verdict is 0 when the event was taken; its number, or what `await_room` wants; the
            size of one that is too large.
        """
        cdef int64_t nanoseconds = <int64_t>(seconds * 1e9)
        cdef HeaderList own
        cdef EventView view
        cdef Outcome outcome
        read_event(event, tenant_id, view)
        if headers is not None:
            fill_headers(own, headers)
            view.headers = &own
        view.wanted = wanted
        if nanoseconds > 0:
            # The disk's writer needs the interpreter as soon as it sees the event.
            with nogil:
                outcome = self.queue.publish_and_wait(view, nanoseconds)
        else:
            outcome = self.queue.publish(view, after)
        if claim is not None and (outcome.verdict == Verdict.taken or
                                  outcome.verdict == Verdict.awaits_disk):
            claim.number = outcome.number
        return <int>outcome.verdict, outcome.number, outcome.size

    def offer_many(self, list events not None, Py_ssize_t start):
        """Take events from `start` on, which were checked; return how many of the list were taken."""
        cdef EventView view
        cdef Py_ssize_t number = start
        while number < len(events):
            read_event(events[number], None, view)
            if self.queue.publish(view, 0).verdict != Verdict.taken:
                break
            number += 1
        return number

    def write(self, tenant_id, coordinate_hash, value, timestamp, security_mask, user_id, region):
        """Take one cell; return None, or (verdict, number, size) when it was not taken."""
        cdef Outcome outcome
        self.take_cell(outcome, tenant_id, coordinate_hash, value, timestamp, security_mask,
                       user_id, region)
        if outcome.verdict == Verdict.taken:
            return None
        return <int>outcome.verdict, outcome.number, outcome.size

    cdef int take_cell(self, Outcome& outcome, object tenant_id, object coordinate_hash,
                       object value, object timestamp, object security_mask, object user_id,
                       object region) except -1:
        cdef Cell cell
        cdef Label label
        fill_cell(cell, coordinate_hash, value, timestamp, security_mask)
        if tenant_id is None:
            raise wrong_type("tenant_id", tenant_id, "a str")
        set_tenant(&label.tenant, tenant_id)
        if user_id is not None:
            set_text(&label.user, user_id, "user_id")
        if region is not None:
            set_text(&label.region, region, "region")
        outcome = self.queue.write(label, cell)
        return 0

    def drop(self):
        """Count an event that found no room and is not wanted then."""
        self.queue.drop()

    def drop_cells(self, tenant_id):
        """Drop the cells of a tenant that found no room: one event less."""
        cdef Text tenant
        set_text(&tenant, tenant_id, "tenant_id")
        self.queue.drop_cells(string_view(tenant.data, tenant.size))

    def await_stored(self, int64_t number, double seconds):
        """Wait for the disk: True when it has the event, False when it refused, None for not yet."""
        cdef Stored found
        cdef int64_t nanoseconds = <int64_t>(seconds * 1e9)
        with nogil:
            found = self.queue.await_stored(number, nanoseconds)
        return None if found == Stored.waiting else found == Stored.stored

    @property
    def awaiting(self):
        """How many events await the disk, or their publishers have not asked for since."""
        return self.queue.awaiting()

    def withdraw(self, int64_t number):
        """Wait no longer for the disk: take the event back, unless it is being written.

        True when it was taken back.
        """
        return self.queue.withdraw(number)

    def withdraw_claim(self, Claim claim not None):
        """Wait no longer for what somebody has claimed; the claim goes if it was taken back."""
        if self.queue.withdraw(claim.number):
            claim.number = 0

    def accept_unstored(self, int64_t number):
        """Take an event that is not on the disk yet, whose publisher is the disk's writer itself."""
        self.queue.accept_unstored(number)

    def await_room(self, int64_t number, double seconds):
        """Wait until room came since the outcome that had this number, or the time is over."""
        cdef int64_t nanoseconds = <int64_t>(seconds * 1e9)
        with nogil:
            self.queue.await_room(number, nanoseconds)

    @property
    def flushing(self):
        """How many calls have it send without lingering."""
        return self.queue.flushing()

    def await_empty(self, double seconds):
        """Wait until nothing is on its way, or the time is over; return how much still is."""
        cdef int64_t left
        cdef int64_t nanoseconds = <int64_t>(seconds * 1e9)
        with nogil:
            left = self.queue.await_empty(nanoseconds)
        return left

    def counts(self):
        """Return accepted, delivered, failed, in flight, backlog, spooled, dropped, gathering, left.

        Of the spooled, so many are left to the next process.
        """
        counts = self.queue.counts()
        return (counts.accepted, counts.delivered, counts.failed, counts.in_flight, counts.backlog,
                counts.spooled, counts.dropped, counts.gathering, counts.left)

    @property
    def event_limit(self):
        """Bytes that a message may have: `max_event_bytes`, or the topic's limit."""
        return self.queue.event_limit()

    # ---- For the delivery thread.

    def start_sender(self):
        """Begin to send what is due; False when the system has no thread to give."""
        return self.sender.start()

    def stop_sender(self):
        """End it."""
        with nogil:
            self.sender.stop()

    def detach(self):
        """Let the producer go: nothing more is handed to it."""
        self.queue.detach()

    def settle_returned(self):
        """Put what came back in front; return how much was never reported, and is given up."""
        return self.queue.settle_returned()

    def await_news(self, double seconds):
        """Wait until there is something to tell, or the time is over."""
        cdef int64_t nanoseconds = <int64_t>(seconds * 1e9)
        cdef cbool some
        with nogil:
            some = self.queue.await_news(nanoseconds)
        return some

    def waken(self):
        """End the wait for news."""
        self.queue.waken()

    def take_news(self):
        """Return (acknowledged, given_up, beside, broken).

        Returns
        -------
        acknowledged : list of (number, partition, offset)
        given_up : list of (number or 0, tenant, error)
            The number where somebody asked for the acknowledgement.
        beside : int
            Events given up beside these.
        broken : int
            The error for which the producer has to be replaced, 0 for none.
        """
        cdef NativeNews news
        self.queue.take_news(news)
        acknowledged = []
        for index in range(news.acknowledged.size()):
            acknowledged.append((
                news.acknowledged[index].number,
                news.acknowledged[index].partition,
                news.acknowledged[index].offset,
            ))
        given_up = []
        for index in range(news.given_up.size()):
            given_up.append((
                news.given_up[index].number if news.given_up[index].wanted else 0,
                text_of(news.given_up[index].tenant),
                news.given_up[index].error,
            ))
        return acknowledged, given_up, news.given_up_beside, news.error if news.broken else 0

    def given_up(self):
        """Return how many events were given up, by tenant; beyond some tenants only counts have them."""
        cdef pair[string, int64_t] each
        found = {}
        for each in self.queue.given_up_by_tenant():
            found[text_of(each.first)] = each.second
        return found

    # ---- For the disk's writer.

    def await_disk_work(self, list rows not None, double seconds):
        """Do as `written` says, then wait for work, or until the time is over.

        In one call, because publishers that wait need the interpreter as soon as they are told.

        Returns
        -------
        (stayed, store, remove, read, stop)
            How many of the rows stay in memory; and what there is to do.
        """
        cdef NativeDiskWork work
        cdef vector[int64_t] native = rows
        cdef size_t stayed = 0
        cdef int64_t nanoseconds = <int64_t>(seconds * 1e9)
        with nogil:
            if native.size() > 0:
                stayed = self.queue.written(native)
            work = self.queue.await_disk_work(nanoseconds)
        return stayed, work.store, work.remove, work.read, work.stop

    def stop_disk(self):
        """End the wait for work, for good."""
        self.queue.stop_disk()

    def take_for_disk(self, size_t most, int64_t most_bytes):
        """Return events to write, in order: (row, tenant, event, headers).

        `written` or `not_written` follows. The row is 0 for an event that is not on the disk.
        """
        cdef vector[NativeEvent*] events
        self.queue.take_for_disk(most, most_bytes, events)
        return self.rows_of(events)

    def take_head_for_disk(self, size_t most, int64_t most_bytes):
        """Return the oldest events in front of the disk, as `take_for_disk` does."""
        cdef vector[NativeEvent*] events
        self.queue.take_head_for_disk(most, most_bytes, events)
        return self.rows_of(events)

    cdef list rows_of(self, const vector[NativeEvent*]& events):
        try:
            rows = []
            for index in range(events.size()):
                rows.append((
                    events[index].row,
                    text_of(events[index].tenant),
                    bytes_of(events[index].bytes),
                    headers_of(events[index].headers),
                ))
            return rows
        except BaseException:
            self.queue.not_written()
            raise

    def written(self, list rows not None):
        """Tell the rows under which the events are on the disk; return how many stay in memory."""
        cdef vector[int64_t] native = rows
        return self.queue.written(native)

    def not_written(self):
        """Take the events back; publishers that wait for the disk are refused."""
        self.queue.not_written()

    def left_on_disk(self):
        """Leave the events to the next process: they are on the disk."""
        self.queue.left_on_disk()

    def take_removals(self):
        """Return rows that were acknowledged or given up."""
        cdef vector[int64_t] rows
        self.queue.take_removals(rows)
        return list(rows)

    def not_removed(self, list rows not None):
        """Give rows back that could not be removed."""
        cdef vector[int64_t] native = rows
        self.queue.not_removed(native)

    def adopt(self, int64_t events):
        """Count events that an earlier process has accepted, and that are on our disk now."""
        self.queue.adopt(events)

    def read_back(self, int64_t row, str tenant_id not None, bytes event not None, list headers):
        """Take the next row of the disk into memory."""
        cdef HeaderList own
        cdef EventView view
        cdef Text tenant
        set_text(&tenant, tenant_id, "tenant_id")
        view.tenant = string_view(tenant.data, tenant.size)
        view.bytes = string_view(PyBytes_AS_STRING(event), <size_t>PyBytes_GET_SIZE(event))
        if headers is not None:
            fill_headers(own, headers)
            view.headers = &own
        if not self.queue.read_back(view, row):
            raise MemoryError

    def lose_rows(self, int64_t events):
        """Give up rows that are not there any more, or cannot be read."""
        self.queue.lose_rows(events)

    # ---- The end.

    def close(self):
        """Refuse what comes from now on."""
        self.queue.close()

    def end_gathering(self):
        """Make events of all cells."""
        self.queue.end_gathering()

    def head_is_stored(self):
        """Whether all that goes next is on the disk as well."""
        return self.queue.head_is_stored()

    def head_size(self):
        """Return how many events go next, in front of the disk."""
        return self.queue.head_size()

    def give_up_all(self, int error):
        """Give up what is in memory only."""
        self.queue.give_up_all(error)


# ---- What a caller gives as an event.

cdef int read_event(object event, str tenant_id, EventView& view) except -1:
    cdef Bytes memory
    cdef Text tenant
    cdef Fault fault
    if not PyBytes_CheckExact(event):
        raise TypeError(f"event: must be bytes, not {type(event).__name__}")
    memory.data = <const uint8_t*>PyBytes_AS_STRING(event)
    memory.size = <uint64_t>PyBytes_GET_SIZE(event)
    if not peek_text(memory, EventField.tenant_id, tenant, fault):
        raise_fault(fault, memory.size)
    if tenant.size == 0:
        raise InvalidEventError("tenant_id", 0, "is null or empty, and it is the Kafka key")
    if not is_utf8(<const uint8_t*>tenant.data, tenant.size):
        str_of(tenant, memory, "tenant_id")  # raises
    view.timestamp = 0
    if not peek_int64(memory, EventField.timestamp, view.timestamp, fault):
        raise_fault(fault, memory.size)
    view.tenant = string_view(tenant.data, <size_t>tenant.size)
    view.bytes = string_view(PyBytes_AS_STRING(event), <size_t>PyBytes_GET_SIZE(event))
    if tenant_id is not None and tenant_id != str_of(tenant, memory, "tenant_id"):
        raise ValueError(
            f"tenant_id={tenant_id!r}: the event's own is "
            f"{str_of(tenant, memory, 'tenant_id')!r}, and is the key"
        )
    return 0


def check_event(event, str tenant_id=None):
    """Check an event's envelope as publishing does; raise what it raises."""
    cdef EventView view
    read_event(event, tenant_id, view)


def check_events(list events not None, str tenant_id=None):
    """Check the envelopes of many; the error names the event by its index."""
    cdef EventView view
    cdef Py_ssize_t index = 0
    try:
        for event in events:
            read_event(event, tenant_id, view)
            index += 1
    except InvalidEventError as error:
        raise InvalidEventError(
            f"events[{index}].{error.field}", error.position, error.reason
        ) from None
    except (TypeError, ValueError) as error:
        raise type(error)(f"events[{index}]: {error}") from None


cdef int fill_headers(HeaderList& to, list headers) except -1:
    cdef Text name
    cdef pair[string, string] header
    for each_name, each_value in headers:
        set_text(&name, each_name, "headers")
        header.first.assign(name.data, <size_t>name.size)
        header.second = each_value
        to.push_back(header)
    return 0


cdef list headers_of(const HeaderList& headers):
    if headers.size() == 0:
        return None
    return [(text_of(headers[index].first), bytes_of(headers[index].second))
            for index in range(headers.size())]


cdef str text_of(const string& text):
    return PyUnicode_DecodeUTF8(text.data(), <Py_ssize_t>text.size(), "replace")


cdef bytes bytes_of(const string& text):
    return PyBytes_FromStringAndSize(text.data(), <Py_ssize_t>text.size())


cdef class Publisher:
    """The calls of a bus that are made for each event and each cell, without a frame of Python.

    Its class has `_publish_otherwise` and `_write_otherwise`, for what the queue alone cannot do.
    """

    cdef public SendQueue _queue
    cdef public bint _plain

    def publish(self, event, *, str tenant_id=None, headers=None):
        """Queue one event and return at once.

        Parameters
        ----------
        event : bytes
            An encoded AtomEvent. Its envelope is checked here, its molecules are not.
        tenant_id : str, optional
            The tenant that the event is expected to have.
        headers : Mapping[str, str | bytes] or sequence of pairs, optional
            Headers of the message, beside those that the settings ask for.

        Raises
        ------
        TypeError
            `event` is not bytes, or a header is neither str nor bytes.
        InvalidEventError
            `event` is no AtomEvent, or has no tenant. Nothing was queued.
        ValueError
            `tenant_id` is not the event's. Nothing was queued.
        BusFullError
            The queue is full, and `on_full` says to raise; or the spool is, too.
        EventTooLargeError
            The message is larger than `max_event_bytes`, or than the topic's limit.
        SpoolError
            The event could not be written to the disk (`durable`).
        BusClosedError
            The bus was closed.
        """
        cdef EventView view
        cdef SendQueue queue = self._queue
        if headers is None and self._plain and queue is not None and queue.attended:
            read_event(event, tenant_id, view)
            if queue.queue.publish(view, 0).verdict == Verdict.taken:
                return
        self._publish_otherwise(event, tenant_id, headers)

    def write(self, tenant_id, coordinate_hash, value, *, timestamp=None, security_mask=None,
              user_id=None, region=None):
        """Write one cell and return at once.

        A cell after a quiet spell goes to the producer at once, and waits for others there,
        `linger_ms` at most. While cells of its tenant keep coming, those within `linger_ms` become
        one event. A tenant's cells and events keep the order of the calls.

        Parameters
        ----------
        tenant_id : str
            Never empty.
        coordinate_hash : int or 16 bytes
            The cell.
        value : float, int, str, bool, datetime, date, datetime64, CellError or None
            Its type says which value field it becomes.
        timestamp : int, datetime or datetime64, optional
            When the cell was written; the event carries the time when it was made.
        security_mask : int, optional
            64 bits without a sign.
        user_id, region : str, optional
            Of the event; cells that differ in them become different events.

        Raises
        ------
        TypeError, ValueError
            Naming the argument, its value and what it must be.
        BusFullError, EventTooLargeError, SpoolError, BusClosedError, PublishError
            As `publish` does. The cell was not taken; cells before it may still wait for room.
        """
        cdef SendQueue queue = self._queue
        cdef Outcome outcome
        if queue is None:
            raise AttributeError("the bus was never opened: its __init__ has raised, or was left out")
        queue.take_cell(outcome, tenant_id, coordinate_hash, value, timestamp, security_mask,
                        user_id, region)
        if outcome.verdict == Verdict.taken:
            if queue.attended:
                return
            refused = None
        else:
            refused = <int>outcome.verdict, outcome.number, outcome.size
        self._write_otherwise(
            refused,
            (tenant_id, coordinate_hash, value, timestamp, security_mask, user_id, region),
        )
