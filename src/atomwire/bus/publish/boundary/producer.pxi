# librdkafka's producer, fed and heard without the interpreter in between.
#
# The library is the one in confluent-kafka, which consumes with it. Its own `Producer` takes the
# interpreter's lock for every single delivery report: a caller who publishes without a pause keeps it,
# the reports wait, and the queue is full while the broker keeps up. Here reports are counted by the
# thread that serves them, and the lock is taken when there is something to tell.

from cpython.ref cimport Py_INCREF
from libcpp.string cimport string
from libcpp.utility cimport pair
from libcpp.vector cimport vector


cdef extern from "reports.hpp" namespace "atomwire::rdkafka" nogil:
    cdef cppclass Failure:
        int64_t number
        int error
        string reason
        string tenant
        string event
        cbool has_headers
        vector[pair[string, string]] headers

    cdef cppclass Reports:
        int64_t take(vector[int64_t]&, vector[Failure]&)
        cbool some()
        int64_t in_flight()
        int64_t delivered()


cdef extern from "api.hpp" namespace "atomwire::rdkafka" nogil:
    cdef cppclass Headers:
        pass

    cdef cppclass Api:
        Headers* headers_new(size_t)
        void headers_destroy(Headers*)
        int header_add(Headers*, const char*, Py_ssize_t, const void*, Py_ssize_t)

    const Api& api()
    const char* load(const char*)
    const int kNoError


cdef extern from "producer.hpp" namespace "atomwire::rdkafka" nogil:
    cdef cppclass Notice:
        cbool is_error
        cbool fatal
        int number
        string facility
        string text

    cdef cppclass Producer:
        Producer(Reports&)
        cbool set(const char*, const char*)
        cbool open(const char*)
        const char* problem()
        int produce(const char*, size_t, const char*, size_t, int64_t, Headers*, int64_t, cbool)
        void serve()
        void stop()
        void flush(int)
        void purge(cbool)
        void close()
        void take_notices(vector[Notice]&)
        cbool copy_statistics(string&)
        int provoke_fatal_error(int, const char*)


def missing_from(str path not None):
    """Find librdkafka through a loaded module; return what it lacks, None when all is there."""
    encoded = path.encode()
    name = load(encoded)
    return None if name is NULL else name.decode()


cdef bint librdkafka_found = False


cdef int find_librdkafka() except -1:
    # When the first producer is made: the codec needs no Kafka.
    global librdkafka_found
    if librdkafka_found:
        return 0
    import confluent_kafka
    import confluent_kafka.cimpl
    missing = missing_from(confluent_kafka.cimpl.__file__)
    if missing is not None:
        raise ImportError(
            f"no {missing} in confluent-kafka {confluent_kafka.__version__}: the bus needs one "
            "that is linked with librdkafka dynamically, as its wheels are"
        )
    librdkafka_found = True
    return 0


def keep_forever(thing):
    """Never let `thing` be destroyed: after a fork it is half of what it was."""
    Py_INCREF(thing)


@cython.final
cdef class Settled:
    """What became of the events that were handed over, by one producer after another."""

    cdef Reports reports

    def some(self):
        """Tell whether `take` would return something."""
        return self.reports.some()

    def take(self):
        """Return what was reported since the last call.

        Returns
        -------
        acknowledged : list[int]
            The numbers of events whose acknowledgement was wanted.
        failures : list[Failure]
            Each (number, tenant, event, headers, error code, reason).
        forgotten : int
            Failures beside these, for which there was no memory.
        """
        cdef vector[int64_t] numbers
        cdef vector[Failure] failures
        forgotten = self.reports.take(numbers, failures)
        acknowledged = [number for number in numbers]
        failed = []
        for index in range(failures.size()):
            failed.append(_failure(failures[index]))
        return acknowledged, failed, forgotten


cdef tuple _failure(Failure& failure):
    cdef list headers = None
    cdef pair[string, string] header
    if failure.has_headers:
        headers = []
        for header in failure.headers:
            headers.append(((<bytes>header.first).decode(), <bytes>header.second))
    tenant_id = (<bytes>failure.tenant).decode("utf-8", "replace")
    reason = (<bytes>failure.reason).decode("utf-8", "replace")
    return failure.number, tenant_id, <bytes>failure.event, headers, failure.error, reason


@cython.final
cdef class NativeProducer:
    """One producer of librdkafka.

    Parameters
    ----------
    properties : dict[str, str]
        Of librdkafka.
    topic : str
        Where all events go.
    settled : Settled
        Told what becomes of them.

    Raises
    ------
    ImportError
        confluent-kafka is not linked with librdkafka dynamically.
    ValueError
        librdkafka does not know a property, or refuses its value. The message is its own, and may
        hold a secret.
    """

    cdef Producer* producer
    cdef readonly Settled settled

    def __cinit__(self, dict properties not None, str topic not None, Settled settled not None):
        find_librdkafka()
        self.settled = settled
        self.producer = new Producer(settled.reports)
        for name, value in properties.items():
            if not self.producer.set(_c_text(name), _c_text(value)):
                raise ValueError(self.producer.problem().decode("utf-8", "replace"))
        encoded = _c_text(topic)
        cdef const char* text = encoded
        cdef cbool opened
        with nogil:
            opened = self.producer.open(text)
        if not opened:
            raise ValueError(self.producer.problem().decode("utf-8", "replace"))

    def __dealloc__(self):
        with nogil:
            del self.producer

    cdef int produce(self, const char* key, Py_ssize_t key_size, bytes event, int64_t milliseconds,
                     list headers, int64_t number, bint wanted) except? -1:
        """Hand over one event; return 0, or librdkafka's error code."""
        cdef Headers* own = NULL
        if headers is not None:
            own = _headers(headers)
        return self.producer.produce(
            key, <size_t>key_size, PyBytes_AS_STRING(event), <size_t>PyBytes_GET_SIZE(event),
            milliseconds, own, number, wanted,
        )

    def serve(self):
        """Serve the producer until there is something to tell, or `stop`."""
        with nogil:
            self.producer.serve()

    def stop(self):
        """End `serve`, soon and for good."""
        self.producer.stop()

    def flush(self, double seconds):
        """Send without lingering, and wait until nothing is queued, or the time is over."""
        cdef int milliseconds = <int>(seconds * 1_000)
        with nogil:
            self.producer.flush(milliseconds)

    def purge(self, bint in_flight):
        """Give up what is queued, and perhaps what is on its way; it will be reported."""
        with nogil:
            self.producer.purge(in_flight)

    def close(self):
        """Release it. Nothing else may be going on."""
        with nogil:
            self.producer.close()

    def notices(self):
        """Return the errors and the lines of the log since the last call, in order.

        Returns
        -------
        list of (is_error, fatal, number, facility, text)
            The number is an error's code, or a line's syslog level.
        """
        cdef vector[Notice] notices
        self.producer.take_notices(notices)
        told = []
        for index in range(notices.size()):
            told.append((
                notices[index].is_error,
                notices[index].fatal,
                notices[index].number,
                (<bytes>notices[index].facility).decode("utf-8", "replace"),
                (<bytes>notices[index].text).decode("utf-8", "replace"),
            ))
        return told

    def statistics(self):
        """Return the latest statistics, JSON: at most a second old, '' while no broker is there."""
        cdef string text
        if not self.producer.copy_statistics(text):
            raise MemoryError
        return (<bytes>text).decode("utf-8", "replace")

    def provoke_fatal_error(self, int code, str reason not None):
        """Have librdkafka fail for good, for tests: nothing else makes it."""
        return self.producer.provoke_fatal_error(code, reason.encode())


cdef bytes _c_text(str text):
    if "\0" in text:
        raise ValueError("a property or the topic holds a NUL")
    return text.encode()


cdef Headers* _headers(list headers) except NULL:
    cdef const char* name
    cdef char* value
    cdef Py_ssize_t name_size, value_size
    own = api().headers_new(<size_t>len(headers))
    if own is NULL:
        raise MemoryError
    try:
        for each_name, each_value in headers:
            name = PyUnicode_AsUTF8AndSize(each_name, &name_size)
            PyBytes_AsStringAndSize(each_value, &value, &value_size)
            if api().header_add(own, name, name_size, value, value_size) != kNoError:
                raise MemoryError
    except:
        api().headers_destroy(own)
        raise
    return own
