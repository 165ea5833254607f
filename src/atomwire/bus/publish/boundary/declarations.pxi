# The bus's native part as the boundary sees it.

from libcpp.memory cimport make_shared, shared_ptr
from libcpp.string cimport string
from libcpp.unordered_map cimport unordered_map
from libcpp.utility cimport pair
from libcpp.vector cimport vector

cdef extern from * nogil:
    """
    #include <chrono>
    #include <string_view>

    static inline int64_t atomwire_steady() {
      const auto now = std::chrono::steady_clock::now().time_since_epoch();
      return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
    }
    static inline int64_t atomwire_unix_time() { return atomwire::unix_nanoseconds(); }
    """
    int64_t atomwire_steady() noexcept
    int64_t atomwire_unix_time() noexcept

    cdef cppclass string_view "std::string_view":
        string_view()
        string_view(const char*, size_t)
        const char* data()
        size_t size()


cdef extern from "verify.hpp" namespace "atomwire" nogil:
    cbool is_utf8(const uint8_t*, uint64_t)


cdef extern from "producer.hpp" namespace "atomwire::rdkafka" nogil:
    cdef cppclass Notice:
        cbool is_error
        cbool fatal
        int number
        string facility
        string text


cdef extern from "lock.hpp" namespace "atomwire::bus" nogil:
    void native_check_no_lock "atomwire::bus::check_no_lock"(const char*)


ctypedef vector[pair[string, string]] HeaderList


cdef extern from "event.hpp" namespace "atomwire::bus" nogil:
    cdef cppclass NativeEvent "atomwire::bus::Event":
        string tenant
        string bytes
        HeaderList headers
        int64_t row

    cdef cppclass EventView:
        string_view tenant
        string_view bytes
        const HeaderList* headers
        int64_t timestamp
        cbool wanted


cdef extern from "outlet.hpp" namespace "atomwire::bus" nogil:
    cdef cppclass Outlet:
        pass


cdef extern from "tenant_buffer.hpp" namespace "atomwire::bus" nogil:
    cdef cppclass Label:
        Text tenant
        Text user
        Text region


cdef extern from "send_queue.hpp" namespace "atomwire::bus" nogil:
    cdef cppclass QueueSettings:
        int64_t linger
        uint64_t max_event_bytes
        int64_t queue_events
        int64_t queue_bytes
        cbool disk
        cbool durable
        cbool drop
        int64_t expire_after
        HeaderList cell_headers
        int64_t (*steady)() noexcept
        int64_t (*unix_time)() noexcept

    cdef enum class Verdict(uint8_t):
        taken
        awaits_disk
        full
        closed
        too_large
        no_memory
        refused

    cdef cppclass Outcome:
        Verdict verdict
        int64_t number
        uint64_t size

    cdef enum class Stored(uint8_t):
        waiting
        stored
        refused

    cdef cppclass Counts:
        int64_t accepted
        int64_t delivered
        int64_t failed
        int64_t in_flight
        int64_t backlog
        int64_t spooled
        int64_t dropped
        int64_t gathering
        int64_t left

    cdef cppclass Acknowledgement:
        int64_t number
        int32_t partition
        int64_t offset

    cdef cppclass GivenUp:
        int64_t number
        cbool wanted
        string tenant
        int error

    cdef cppclass NativeNews "atomwire::bus::News":
        vector[Acknowledgement] acknowledged
        vector[GivenUp] given_up
        int64_t given_up_beside
        cbool broken
        int error

    cdef cppclass NativeDiskWork "atomwire::bus::DiskWork":
        cbool store
        cbool remove
        cbool read
        cbool stop

    cdef cppclass NativeQueue "atomwire::bus::SendQueue":
        NativeQueue(QueueSettings) except +
        Outcome publish(const EventView&, int64_t)
        Outcome write(const Label&, const Cell&)
        void drop()
        void drop_cells(string_view)
        Outcome publish_and_wait(const EventView&, int64_t)
        Stored await_stored(int64_t, int64_t)
        size_t awaiting()
        cbool withdraw(int64_t)
        void accept_unstored(int64_t)
        void await_room(int64_t, int64_t)
        void begin_flush()
        void end_flush()
        int flushing()
        int64_t await_empty(int64_t)
        Counts counts()
        uint64_t event_limit()
        void attach(shared_ptr[Outlet])
        void detach()
        int64_t settle_returned()
        cbool await_news(int64_t)
        void take_news(NativeNews&)
        unordered_map[string, int64_t] given_up_by_tenant()
        void waken()
        NativeDiskWork await_disk_work(int64_t)
        void stop_disk()
        void take_for_disk(size_t, int64_t, vector[NativeEvent*]&)
        size_t written(const vector[int64_t]&)
        void not_written()
        void take_removals(vector[int64_t]&)
        void not_removed(const vector[int64_t]&)
        void adopt(int64_t)
        cbool read_back(EventView, int64_t)
        void lose_rows(int64_t)
        void close()
        void end_gathering()
        cbool head_is_stored()
        size_t head_size()
        void take_head_for_disk(size_t, int64_t, vector[NativeEvent*]&)
        void left_on_disk()
        void give_up_all(int)


cdef extern from "sender.hpp" namespace "atomwire::bus" nogil:
    cdef cppclass Sender:
        Sender(NativeQueue&) except +
        cbool start()
        void stop()


cdef extern from "producer_session.hpp" namespace "atomwire::bus" nogil:
    cdef cppclass NativeSession "atomwire::bus::ProducerSession":
        NativeSession(NativeQueue&)
        cbool set(const char*, const char*)
        cbool open(const char*)
        cbool lacks_thread()
        const char* problem()
        cbool drain(int, int)
        void take_notices(vector[Notice]&)
        cbool connected()
        cbool topic_known()
        int topic_error()
        uint64_t topic_limit()
        int provoke_fatal_error(int, const char*)

    cbool end_within(shared_ptr[NativeSession], int)
