# One producer of librdkafka, and the thread that serves it.
#
# The library is the one in confluent-kafka, which consumes with it. Its own `Producer` takes the
# interpreter's lock for every single delivery report: a caller who publishes without a pause keeps it,
# the reports wait, and the queue is full while the broker keeps up. Here a thread without that lock
# takes the reports.

from cpython.ref cimport Py_INCREF


def keep_forever(thing):
    """Never let `thing` be destroyed: after a fork it is half of what it was."""
    Py_INCREF(thing)


@cython.final
cdef class ProducerSession:
    """A producer from its first event to its last: a bus has one at a time.

    Parameters
    ----------
    queue : SendQueue
        Where its events come from, and its reports go.
    properties : dict[str, str]
        Of librdkafka.
    topic : str
        Where all events go.

    Raises
    ------
    ImportError
        confluent-kafka is not linked with librdkafka dynamically.
    ValueError
        librdkafka does not know a property, or refuses its value. The message is its own, and may
        hold a secret.
    RuntimeError
        The system has no thread to give.
    """

    cdef shared_ptr[NativeSession] session
    cdef SendQueue queue

    def __cinit__(self, SendQueue queue not None, dict properties not None, str topic not None):
        load_librdkafka()
        self.queue = queue
        self.session = make_shared[NativeSession](queue.queue[0])
        for name, value in properties.items():
            if not self.session.get().set(c_text(name), c_text(value)):
                raise ValueError(self.session.get().problem().decode("utf-8", "replace"))
        encoded = c_text(topic)
        cdef const char* text = encoded
        cdef cbool opened
        with nogil:
            opened = self.session.get().open(text)
        if self.session.get().lacks_thread():
            raise RuntimeError(self.session.get().problem().decode())
        if not opened:
            raise ValueError(self.session.get().problem().decode("utf-8", "replace"))

    def __dealloc__(self):
        with nogil:
            self.session.reset()

    def attach(self):
        """Have the queue send its events here."""
        self.queue.queue.attach(<shared_ptr[Outlet]>self.session)

    def drain(self, double seconds, double purge_seconds):
        """After `SendQueue.detach`: let what is on its way arrive, have the rest come back.

        False when not everything was reported within `purge_seconds` after that.
        """
        cdef int milliseconds = <int>(seconds * 1_000)
        cdef int purge_milliseconds = <int>(purge_seconds * 1_000)
        cdef cbool drained
        with nogil:
            drained = self.session.get().drain(milliseconds, purge_milliseconds)
        return drained

    def end(self, double seconds):
        """Release it; False when librdkafka has not let go in time, and is left to itself."""
        cdef int milliseconds = <int>(seconds * 1_000)
        cdef cbool ended
        with nogil:
            ended = end_within(self.session, milliseconds)
        return ended

    def notices(self):
        """Return the errors and the lines of the log since the last call, in order.

        Returns
        -------
        list of (is_error, fatal, number, facility, text)
            The number is an error's code, or a line's syslog level.
        """
        cdef vector[Notice] notices
        self.session.get().take_notices(notices)
        told = []
        for index in range(notices.size()):
            told.append((
                notices[index].is_error,
                notices[index].fatal,
                notices[index].number,
                text_of(notices[index].facility),
                text_of(notices[index].text),
            ))
        return told

    @property
    def connected(self):
        """Whether a broker is connected, by the latest statistics (one a second)."""
        return self.session.get().connected()

    @property
    def topic_known(self):
        """Whether the broker has the topic, by the latest statistics."""
        return self.session.get().topic_known()

    @property
    def topic_error(self):
        """Why the topic's partitions are not known, as librdkafka's code; 0 when they are."""
        return self.session.get().topic_error()

    @property
    def topic_limit(self):
        """The topic's `max.message.bytes`, 0 when it is not known."""
        return self.session.get().topic_limit()

    def provoke_fatal_error(self, int code, str reason not None):
        """Have librdkafka fail for good, for tests: nothing else makes it."""
        return self.session.get().provoke_fatal_error(code, reason.encode())
