# librdkafka's producer as the boundary sees it.

from libc.stdint cimport int64_t
from libcpp cimport bool as cbool
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


cdef class Settled:
    cdef Reports reports


cdef class NativeProducer:
    cdef Producer* producer
    cdef readonly Settled settled

    cdef int produce(self, const char* key, Py_ssize_t key_size, bytes event, int64_t milliseconds,
                     list headers, int64_t number, bint wanted) except? -1
