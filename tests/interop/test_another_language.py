"""The example services in Go and Rust keep to the contract, and the page shows their code."""

import contextlib
import logging
import os
import re
import subprocess
import time
import uuid

import pytest
from confluent_kafka import Producer
from support import bus as support
from support import examples, lattices

import atomwire
from atomwire.coordinates import coordinate_hash
from atomwire.testing import EmbeddedBroker
from tests.broker.jars import MissingError

PAGE = examples.ROOT / "docs" / "another-language.md"
SOURCES = {
    language: "".join(path.read_text() for path in (examples.SOURCES / language).rglob(pattern))
    for language, pattern in (("go", "*.go"), ("rust", "*.rs"))
}
BLOCKS = re.findall(r"^```(go|rust)\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
TENANTS = ("acme", "größe", "3wujz9a", "gq3p75b")  # of the last two the hash is 0x80000000
WEST, EAST = ("West", "Chairs"), ("East", "Phones")
IDLE = "2s"


def built(build, *arguments):
    try:
        return build(*arguments)
    except MissingError as error:
        if os.environ.get("INTEROP_REQUIRED") == "1":
            raise
        pytest.skip(str(error))


@pytest.fixture
def broker():
    with EmbeddedBroker() as broker:
        broker.create_topic(support.TOPIC)
        yield broker


def go(broker, command, lines=""):
    options = ("-brokers", broker.bootstrap_servers, "-topic", support.TOPIC, "-idle", IDLE)
    done = subprocess.run(
        [built(examples.go), *options, command], input=lines, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done


def rust(broker, lines):
    command = [built(examples.rust, "produce"), broker.bootstrap_servers, support.TOPIC]
    done = subprocess.run(command, input=lines, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


WRITERS = {
    "go": lambda broker, lines: go(broker, "produce", lines),
    "rust": rust,
}


@contextlib.contextmanager
def engine(broker, folder, *regions):
    """The engine in Rust, killed as it may be at any time."""
    program = built(examples.rust, "engine")
    folder.mkdir(exist_ok=True)
    # A group of its own: in a killed one's, the partitions would wait for its session's end.
    group = f"engine-{uuid.uuid4().hex}"
    command = [program, broker.bootstrap_servers, support.TOPIC, group, str(folder), *regions]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ends(broker):
    """How far the events of each partition go."""
    read = support.read_all(broker)
    return {n: sum(message.partition() == n for message in read) for n in range(broker.PARTITIONS)}


def wait_for(folder, positions):
    deadline = time.monotonic() + support.PATIENCE
    wanted = {partition: end for partition, end in positions.items() if end}
    while not wanted.items() <= lattices.rust(folder).positions.items():
        assert time.monotonic() < deadline, (lattices.rust(folder).positions, wanted)
        time.sleep(0.05)


# ---- The page.


def test_the_page_has_code_in_both_languages():
    assert {language for language, _ in BLOCKS} == {"go", "rust"}


@pytest.mark.parametrize(("language", "code"), BLOCKS)
def test_the_page_shows_what_runs(language, code):
    assert code in SOURCES[language]


# ---- Writers.


@pytest.mark.parametrize("writer", WRITERS)
def test_a_writer_keeps_to_the_contract(broker, writer):
    writes = [
        (tenant, number, members)
        for number in (None, 0.0, -1.5e300, 2.0)
        for tenant in TENANTS
        for members in (WEST, EAST, (*EAST, "日本"))
    ]
    WRITERS[writer](broker, "".join(map(line_of, writes)))
    found, ids = [], set()
    with EmbeddedBroker() as other:
        partitions = partitions_by_this_package(other)
    for message in support.read_all(broker, at_least=1):
        event = atomwire.decode(message.value())
        assert message.key() == event.tenant_id.encode()
        assert message.partition() == partitions[event.tenant_id]
        assert message.headers() == [("type", b"1")]
        assert event.type == atomwire.EventType.MOLECULE_WRITE
        assert uuid.UUID(event.event_id).version == 7
        assert abs(event.timestamp - time.time_ns()) < 3600e9
        assert abs(message.timestamp()[1] - event.timestamp // 1_000_000) <= 1
        ids.add(event.event_id)
        for row in event.molecules:
            found.append((event.tenant_id, event.region, row.coordinate_hash, row.numeric_value))
            assert row[2:] == (None,) * 6
    assert len(ids) == len(support.read_all(broker))
    for tenant in TENANTS:
        expected = [
            (tenant, members[0], coordinate_hash(*members), number)
            for each, number, members in writes
            if each == tenant
        ]
        assert [each for each in found if each[0] == tenant] == expected


def line_of(write):
    tenant, number, members = write
    return "\t".join((tenant, "-" if number is None else repr(number), *members)) + "\n"


def partitions_by_this_package(broker):
    with atomwire.EventBus(broker.bootstrap_servers, support.TOPIC) as bus:
        done = {each: bus.submit(support.event(each)) for each in TENANTS}
        return {each: future.result(30).partition for each, future in done.items()}


# ---- Readers.


def publish(broker):
    """Publish what a reader must get right; return the lattice that it must find."""
    encoder = atomwire.Encoder("acme", region="West")
    wire = [
        encoder.cell(1, 1.0, security_mask=6),
        encoder.cell(1, 0.0),  # the mask stays
        encoder.cell(2, 5.0, security_mask=1),
        encoder.cell(2, None),  # cleared
        atomwire.encode("other", atomwire.Molecules([1], 7.0), region="East"),
        atomwire.encode("acme", atomwire.Molecules([1, 9]), type=atomwire.EventType.CALC_REQUEST),
        atomwire.encode("acme", atomwire.Molecules([3, 4, 3], [1.0, 2.0, 3.0])),
        encoder.cell(2**128 - 1, -0.5, security_mask=2**64 - 1),
    ]
    with atomwire.EventBus(broker.bootstrap_servers, support.TOPIC) as bus:
        bus.publish_many(wire)
    return {
        ("acme", 1): (0.0, 6),
        ("acme", 2): (None, 1),
        ("acme", 3): (3.0, 0),
        ("acme", 4): (2.0, 0),
        ("acme", 2**128 - 1): (-0.5, 2**64 - 1),
        ("other", 1): (7.0, 0),
    }


def publish_raw(broker, *values, key="acme"):
    configuration = {"bootstrap.servers": broker.bootstrap_servers}
    producer = Producer(configuration, logger=logging.getLogger("test"))
    for value in values:
        producer.produce(support.TOPIC, value, key)
    assert producer.flush(30) == 0


def go_lattice(broker):
    done = go(broker, "consume")
    cells = {}
    for line in done.stdout.splitlines():
        tenant, digits, value, mask = line.split("\t")
        hash_ = int.from_bytes(bytes.fromhex(digits), "little")
        cells[tenant, hash_] = (value, int(mask))
    return cells, done.stderr


def as_number(text):
    return None if text == "<nil>" else float(text)


def test_the_reader_in_go(broker):
    expected = publish(broker)
    cells, _ = go_lattice(broker)
    assert {at: (as_number(value), mask) for at, (value, mask) in cells.items()} == expected


def test_the_reader_in_go_knows_every_kind_of_value(broker):
    encoder = atomwire.Encoder("acme")
    values = {1: "a text", 2: True, 3: False, 4: atomwire.CellError("#DIV/0!")}
    with atomwire.EventBus(broker.bootstrap_servers, support.TOPIC) as bus:
        for hash_, value in values.items():
            bus.publish(encoder.cell(hash_, value))
        bus.publish(atomwire.encode("acme", atomwire.Molecules([5], date_value=0)))
    cells, _ = go_lattice(broker)
    assert {hash_: value for (_, hash_), (value, _) in cells.items()} == {
        1: "a text",
        2: "true",
        3: "false",
        4: "#DIV/0!",
        5: "1970-01-01 00:00:00 +0000 UTC",
    }


def test_the_reader_in_go_applies_a_duplicate_once_and_survives_rubbish(broker):
    encoder = atomwire.Encoder("acme")
    first, second = encoder.cell(1, 1.0), encoder.cell(1, 2.0)
    publish_raw(broker, first, second, first, b"\xff" * 64, b"", encoder.cell(2, 3.0))
    cells, said = go_lattice(broker)
    assert cells == {("acme", 1): ("2", 0), ("acme", 2): ("3", 0)}
    assert said.count("no AtomEvent") == 2


def test_the_engine_in_rust(broker, tmp_path):
    expected = publish(broker)
    with engine(broker, tmp_path):
        wait_for(tmp_path, ends(broker))
    assert lattices.rust(tmp_path).cells == expected


def test_the_engine_in_rust_skips_foreign_regions(broker, tmp_path):
    expected = publish(broker)
    with engine(broker, tmp_path, "West"):
        wait_for(tmp_path, ends(broker))
    del expected["other", 1]
    assert lattices.rust(tmp_path).cells == expected


def test_the_engine_in_rust_survives_rubbish(broker, tmp_path):
    good = support.event("acme", 1)
    cut = [good[:size] for size in range(0, len(good), 7)]
    publish_raw(broker, *cut, b"\xff" * 64, support.event("acme", 2))
    with engine(broker, tmp_path, "West") as process:
        wait_for(tmp_path, ends(broker))
        assert process.poll() is None
    assert lattices.rust(tmp_path).cells == {("acme", 2): (2.0, 0)}


def test_the_engine_in_rust_survives_its_death(broker, tmp_path):
    expected = {}
    for round_ in range(3):
        with atomwire.EventBus(broker.bootstrap_servers, support.TOPIC) as bus:
            for number in range(100):
                tenant = f"tenant-{number % 7}"
                bus.write(tenant, number, float(round_))
                expected[tenant, number] = (float(round_), 0)
        with engine(broker, tmp_path):
            wait_for(tmp_path, ends(broker))
    state = lattices.rust(tmp_path)
    assert state.cells == expected
    assert state.applied == 300
