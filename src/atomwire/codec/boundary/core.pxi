# The core as the boundary sees it.

cdef extern from "bytes.hpp" namespace "atomwire" nogil:
    cdef struct Bytes:
        const uint8_t* data
        uint64_t size

    cdef cppclass Text:
        const char* data
        uint64_t size
        cbool present()


cdef extern from "layout.hpp" namespace "atomwire" nogil:
    cdef enum class EventField(uint8_t):
        event_id
        trace_id
        timestamp
        type
        tenant_id
        user_id
        molecules
        schema_payload
        region

    cdef enum class MoleculeField(uint8_t):
        coordinate_hash
        numeric_value
        text_commentary
        date_value
        boolean_value
        error_value
        timestamp
        security_mask

    const uint64_t kMaxMolecules
    const uint64_t kMaxEventBytes
    const uint64_t kEventIdChars


cdef extern from "fault.hpp" namespace "atomwire" nogil:
    cdef enum class Reason(uint8_t):
        none
        too_short
        too_long
        offset_outside
        offset_zero
        vtable_outside
        vtable_size
        value_outside
        misaligned
        not_terminated
        not_utf8
        strings_overlap
        too_many_molecules
        hash_length
        missing
        empty
        index
        no_memory

    const uint8_t kWholeTable

    cdef cppclass Fault:
        Reason reason
        cbool in_molecule
        uint8_t field
        uint64_t index
        uint64_t position
        uint64_t value


cdef extern from "peek.hpp" namespace "atomwire" nogil:
    cbool peek_int8 "atomwire::peek_scalar<int8_t>"(Bytes, EventField, int8_t&, Fault&)
    cbool peek_int64 "atomwire::peek_scalar<int64_t>"(Bytes, EventField, int64_t&, Fault&)
    cbool peek_text(Bytes, EventField, Text&, Fault&)
    cbool peek_count(Bytes, uint64_t&, Fault&)
    cbool peek_hash(Bytes, int64_t, const uint8_t*&, Fault&)


cdef extern from "scan.hpp" namespace "atomwire" nogil:
    cdef cppclass ScannedField:
        uint64_t present
        uint16_t place
        cbool constant_place

    cdef cppclass Scan:
        uint64_t count
        uint64_t first
        int64_t stride
        cbool constant_stride
        uint64_t first_hash
        cbool constant_hash
        ScannedField fields[8]
        cbool kept_all() const


cdef extern from "verify.hpp" namespace "atomwire" nogil:
    cbool verify_bytes "atomwire::verify"(Bytes, Scan&, Fault&)


cdef extern from "gather.hpp" namespace "atomwire" nogil:
    cdef cppclass GatheredColumns:
        uint8_t* values[8]
        uint8_t* absent[8]

    cbool gather_columns(Bytes, uint64_t, const GatheredColumns&, Fault&)
    void gather_kept(Bytes, const Scan&, const GatheredColumns&)
    cbool gather_texts(Bytes, uint64_t, MoleculeField, Text*, Fault&)


cdef extern from "columns.hpp" namespace "atomwire" nogil:
    cdef enum class Kind(uint8_t):
        f64
        f32
        i64
        i32
        i16
        i8
        u64
        u32
        u16
        u8

    cdef cppclass ScalarColumn:
        const uint8_t* data
        int64_t stride
        Kind kind
        const uint8_t* absent
        int64_t absent_stride

    cdef cppclass HashColumn:
        const uint8_t* data
        int64_t stride

    cdef cppclass TextColumn:
        const Text* rows
        cbool constant

    cdef cppclass MoleculeColumns:
        uint64_t count
        HashColumn hash
        ScalarColumn wide[4]
        ScalarColumn boolean
        TextColumn text[2]
        cbool may_differ() const


cdef extern from "cell.hpp" namespace "atomwire" nogil:
    cdef enum class CellKind(uint8_t):
        none
        number
        text
        date
        boolean
        error

    cdef cppclass Cell:
        uint8_t hash[16]
        CellKind kind
        cbool truth
        cbool has_timestamp
        cbool has_mask
        double number
        int64_t date
        int64_t timestamp
        uint64_t mask
        Text text

    MoleculeColumns columns_of_cell "atomwire::columns_of"(const Cell&)


cdef extern from "encode.hpp" namespace "atomwire" nogil:
    cdef enum class EncodeError(uint8_t):
        none
        too_many_molecules
        too_large
        no_memory

    cdef cppclass Envelope:
        Text event_id
        Text trace_id
        Text tenant_id
        Text user_id
        Text schema_payload
        Text region
        int64_t timestamp
        int8_t type
        cbool has_molecules

    uint64_t envelope_size(const Envelope&)
    void write_envelope(uint8_t*, const Envelope&)

    cdef cppclass MoleculePlan:
        EncodeError prepare(const MoleculeColumns&, uint64_t)
        uint64_t end() const
        void write(uint8_t*) const


cdef extern from "event_head.hpp" namespace "atomwire" nogil:
    cdef cppclass EventHead:
        cbool prepare(const Envelope&)
        uint64_t size() const
        void stamp(uint8_t*, int64_t, int64_t) const


cdef extern from "uuid.hpp" namespace "atomwire" nogil:
    int64_t unix_nanoseconds()
    void write_uuid7(int64_t, char*)


cdef extern from "atom_event_generated.h" nogil:
    int EventType_UNKNOWN "static_cast<int>(event::v1::EventType::UNKNOWN)"
    int EventType_MOLECULE_WRITE "static_cast<int>(event::v1::EventType::MOLECULE_WRITE)"
    int EventType_CALC_REQUEST "static_cast<int>(event::v1::EventType::CALC_REQUEST)"
    int EventType_SCHEMA_CHANGE "static_cast<int>(event::v1::EventType::SCHEMA_CHANGE)"
    int EventType_HEARTBEAT "static_cast<int>(event::v1::EventType::HEARTBEAT)"
