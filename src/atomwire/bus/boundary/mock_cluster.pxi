# A Kafka inside the process, for tests. Its owner has the policy: `atomwire.testing`.

cdef extern from "mock_cluster.hpp" namespace "atomwire::rdkafka" nogil:
    cdef cppclass NativeMockCluster "atomwire::rdkafka::MockCluster":
        cbool open(int nodes)
        const char* problem()
        const char* addresses()
        void close()
        int create_topic(const char* name, int partitions)
        int set_down(int32_t node)
        int set_up(int32_t node)
        int set_delay(int32_t node, int milliseconds)
        int push_errors(int16_t request, size_t count, int error)
        int clear_errors(int16_t request)


@cython.final
cdef class MockCluster:
    """A mock cluster of librdkafka, from its start to its end.

    Parameters
    ----------
    nodes : int
        Brokers in the cluster. They count from 1; -1 is all of them.

    Raises
    ------
    ImportError
        confluent-kafka is not linked with librdkafka dynamically.
    OSError
        librdkafka cannot listen, or has no mock cluster.

    Notes
    -----
    What returns an int returns an error code of librdkafka, 0 for none.
    """

    cdef NativeMockCluster cluster

    def __cinit__(self, int nodes):
        load_librdkafka()
        cdef cbool opened
        with nogil:
            opened = self.cluster.open(nodes)
        if not opened:
            raise OSError(self.cluster.problem().decode("utf-8", "replace"))

    @property
    def addresses(self):
        """host:port of each node, separated by commas."""
        return self.cluster.addresses().decode()

    def close(self):
        """Stop; again does nothing."""
        with nogil:
            self.cluster.close()

    def create_topic(self, str name not None, int partitions):
        """Create a topic."""
        cdef bytes encoded = c_text(name)
        cdef const char* text = encoded
        cdef int error
        with nogil:
            error = self.cluster.create_topic(text, partitions)
        return error

    def set_down(self, int node):
        """Cut a node's connections, and let it accept no more."""
        cdef int error
        with nogil:
            error = self.cluster.set_down(node)
        return error

    def set_up(self, int node):
        """Let a node accept connections."""
        cdef int error
        with nogil:
            error = self.cluster.set_up(node)
        return error

    def set_delay(self, int node, int milliseconds):
        """Have a node's answers wait."""
        cdef int error
        with nogil:
            error = self.cluster.set_delay(node, milliseconds)
        return error

    def push_errors(self, int16_t request, size_t count, int error):
        """Answer the next requests of a kind with an error; -195 cuts the connection instead."""
        cdef int failed
        with nogil:
            failed = self.cluster.push_errors(request, count, error)
        return failed

    def clear_errors(self, int16_t request):
        """Forget the errors of a kind that have not been answered."""
        cdef int error
        with nogil:
            error = self.cluster.clear_errors(request)
        return error
