"""`atomwire publish`: the rows of a CSV file arrive as cells, and bad input sends nothing."""

import codecs
import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from confluent_kafka import Producer

import atomwire
from atomwire.bus import EventConsumer
from atomwire.cli.app import run
from atomwire.coordinates import coordinate_hash
from atomwire.testing import EmbeddedBroker
from tests.support.interrupts import hear_ctrl_c

COMMAND = [sys.executable, "-c", "from atomwire.cli import main; main()"]
HEADER = "Region,Product,Amount\n"


@pytest.fixture(scope="module")
def brokers():
    with EmbeddedBroker() as broker:
        yield broker.bootstrap_servers


@pytest.fixture
def topic(request):
    """A topic of this test alone."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)
    return f"{name[:80]}-{time.time_ns()}"


@pytest.fixture
def publish(brokers, topic, capfd):
    """Run the command; returns its exit code, what it printed, and its error lines."""

    def call(path, *more, dimensions="Region,Product", value="Amount", tenant="acme"):
        columns = ["--dimensions", dimensions, "--value", value]
        where = ["--brokers", brokers, "--topic", topic]
        code = run(["publish", str(path), "--tenant", tenant, *columns, *where, *more])
        out, err = capfd.readouterr()
        return code, out, err.splitlines()

    return call


@pytest.fixture
def heard(brokers, topic):
    """Consume the topic until `molecules` have come; returns the events."""

    def consume(molecules):
        events = []
        deadline = time.monotonic() + 20
        with EventConsumer(brokers, topic, "test", group_protocol="consumer") as consumer:
            for batch in consumer.batches():
                events += batch.events()
                if sum(len(event.molecules) for event in events) >= molecules:
                    break
                assert time.monotonic() < deadline, f"only {len(events)} events came"
        return events

    return consume


@pytest.fixture
def untouched(brokers, topic):
    """Assert that not even the topic was asked for."""

    def check():
        producer = Producer({"bootstrap.servers": brokers})
        assert topic not in producer.list_topics(timeout=5).topics
        producer.close()

    return check


def written(folder, text, name="cells.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def cells_of(events):
    """All cells in the order of their arrival: (coordinate, value or None)."""
    return [(cell.coordinate_hash, cell.value) for event in events for cell in event.molecules]


# ---- What goes in comes out


def test_rows_arrive_as_cells_in_order(tmp_path, publish, heard):
    rows = [
        ("West", "Chairs", 261.96),
        ("East", "Tables, round", -1e-300),
        ("West", "Chairs", 0.0),
        ("", "Pens", 12.0),
        ("Zürich", '12" rulers', 1.7976931348623157e308),
        ("West", "two\nlines", 5.0),
    ]
    text = 'Region,Product,Amount\nWest,Chairs,261.96\nEast,"Tables, round",-1e-300\n'
    text += 'West,Chairs,0\n,Pens, 12 \nZürich,"12"" rulers",1.7976931348623157e308\n\n'
    text += 'West,"two\nlines",5\n'
    code, out, err = publish(written(tmp_path, text))
    assert (code, err) == (0, [])
    assert "delivered 6 cells" in out
    (event,) = heard(6)
    assert event.tenant_id == "acme"
    assert event.region is None
    assert event.type == atomwire.EventType.MOLECULE_WRITE
    assert cells_of([event]) == [(coordinate_hash(a, b), value) for a, b, value in rows]


@pytest.mark.parametrize("dimensions", ["Product,Region", "Region", '"Product", Region'])
def test_the_order_of_dimensions_is_the_users(tmp_path, publish, heard, dimensions):
    code, _, err = publish(written(tmp_path, HEADER + "West,Chairs,1\n"), dimensions=dimensions)
    assert (code, err) == (0, [])
    member = {"Region": "West", "Product": "Chairs"}
    names = [name.strip(' "') for name in dimensions.split(",")]
    assert cells_of(heard(1)) == [(coordinate_hash(*(member[name] for name in names)), 1.0)]


def test_gzip_byte_order_mark_and_windows_line_ends(tmp_path, publish, heard):
    text = codecs.BOM_UTF8 + b"Region,Product,Amount\r\nWest,Chairs,1\r\nEast,Pens,2\r\n"
    code, _, err = publish(written(tmp_path, gzip.compress(text), "cells.csv.gz"))
    assert (code, err) == (0, [])
    expected = [(coordinate_hash("West", "Chairs"), 1.0), (coordinate_hash("East", "Pens"), 2.0)]
    assert cells_of(heard(2)) == expected


def test_another_delimiter(tmp_path, publish, heard):
    path = written(tmp_path, "Region;Product;Amount\nWest;a,b;1\n")
    code, _, err = publish(path, "--delimiter", ";")
    assert (code, err) == (0, [])
    assert cells_of(heard(1)) == [(coordinate_hash("West", "a,b"), 1.0)]


def test_an_empty_value_is_a_cell_without_a_value(tmp_path, publish, heard):
    path = written(tmp_path, HEADER + "West,Chairs,1\nWest,Pens,\nWest,Paper,  \nWest,Caps,0\n")
    code, _, err = publish(path)
    assert (code, err) == (0, [])
    assert [value for _, value in cells_of(heard(4))] == [1.0, None, None, 0.0]


def test_a_large_file_becomes_several_events_in_order(tmp_path, publish, heard):
    count = 25_000
    lines = (f"West,P{n % 7},{n}\n" for n in range(count))
    code, out, err = publish(written(tmp_path, HEADER + "".join(lines)), "--json")
    assert (code, err) == (0, [])
    summary = json.loads(out)
    assert summary["molecules"] == count
    assert summary["tenant"] == "acme"
    events = heard(count)
    assert len(events) == summary["events"] >= 3
    assert [value for _, value in cells_of(events)] == [float(n) for n in range(count)]


def test_an_event_stays_below_the_brokers_limit(tmp_path, publish, heard, monkeypatch):
    monkeypatch.setenv("ATOMWIRE_MAX_EVENT_BYTES", "20000")
    path = written(tmp_path, HEADER + "".join(f"West,P{n},{n}\n" for n in range(2_000)))
    code, out, err = publish(path, "--json")
    assert (code, err) == (0, [])
    summary = json.loads(out)
    assert summary["bytes"] / summary["events"] < 20_000
    assert [value for _, value in cells_of(heard(2_000))] == [float(n) for n in range(2_000)]


def test_a_small_queue_is_no_obstacle(tmp_path, publish, heard, monkeypatch):
    monkeypatch.setenv("ATOMWIRE_MAX_EVENT_BYTES", "20000")
    monkeypatch.setenv("ATOMWIRE_QUEUE_SIZE", "1")
    path = written(tmp_path, HEADER + "".join(f"West,P{n},{n}\n" for n in range(2_000)))
    code, _, err = publish(path)
    assert (code, err) == (0, [])
    assert [value for _, value in cells_of(heard(2_000))] == [float(n) for n in range(2_000)]


def test_events_of_one_region_each(tmp_path, publish, heard):
    count = 12_000
    regions = ["West", "East", "", "Süd"]
    rows = [(regions[n % 4], f"P{n % 5}", float(n)) for n in range(count)]
    lines = (f"{region},{product},{value}\n" for region, product, value in rows)
    code, _, err = publish(written(tmp_path, HEADER + "".join(lines)), "--region", "Region")
    assert (code, err) == (0, [])
    events = heard(count)
    for region in regions:
        mine = [event for event in events if event.region == (region or None)]
        expected = [(coordinate_hash(r, p), value) for r, p, value in rows if r == region]
        assert cells_of(mine) == expected


def test_a_cell_in_two_regions_keeps_the_order_of_its_rows(tmp_path, publish, heard):
    # Region is no dimension here, so both rows of a product are writes to one cell.
    path = written(tmp_path, HEADER + "West,Pens,1\nEast,Pens,2\nWest,Pens,3\nWest,Caps,4\n")
    code, _, err = publish(path, "--region", "Region", dimensions="Product")
    assert (code, err) == (0, [])
    events = heard(4)
    assert [event.region for event in events] == ["West", "East", "West"]
    assert [value for _, value in cells_of(events)] == [1.0, 2.0, 3.0, 4.0]


def test_a_header_alone_is_no_error(tmp_path, publish):
    code, out, err = publish(written(tmp_path, HEADER), "--json")
    assert (code, err) == (0, [])
    assert (json.loads(out)["events"], json.loads(out)["molecules"]) == (0, 0)


def test_output_in_a_pipe_has_no_control_codes(tmp_path, brokers, topic):
    path = written(tmp_path, HEADER + "West,Chairs,1\n")
    process = subprocess.run(command(path, brokers, topic), capture_output=True, check=False)
    assert process.returncode == 0
    assert process.stderr == b""
    assert process.stdout.count(b"\n") == 1
    assert b"\x1b" not in process.stdout
    assert b"\r" not in process.stdout


# ---- What is wrong sends nothing, and is said in one line

BAD_FILES = {
    "a text as value": (HEADER + "West,Chairs,1\nWest,Pens,many\n", ["line 3", "Amount", "'many'"]),
    "a digit group": (HEADER + "West,Chairs,1_000\n", ["line 2", "'1_000'"]),
    "nan": (HEADER + "West,Chairs,nan\n", ["line 2", "Amount", "'nan'"]),
    "too large": (HEADER + "West,Chairs,1e999\n", ["line 2", "'1e999'"]),
    "after a long text": (HEADER + 'West,"a\nb\nc",1\nWest,Pens,x\n', ["line 5", "'x'"]),
    "after blank lines": (HEADER + "\n\nWest,Pens,x\n", ["line 4", "'x'"]),
    "late": (HEADER + "West,Pens,1\n" * 10_050 + "West,Pens,x\n", ["line 10052", "'x'"]),
    "separator": (HEADER + "West,a\x1fb,1\n", ["line 2", "Product", r"'a\x1fb'", "U+001F"]),
    "short row": (HEADER + "West,Chairs,1\nWest,2\n", ["line 3", "2 fields", "header has 3"]),
    "long row": (HEADER + "West,Chairs,1,9\n", ["line 2", "4 fields", "header has 3"]),
    "open quote": (HEADER + 'West,"Chairs,1\n', ["line 2", "CSV"]),
    "not UTF-8": (HEADER.encode() + b"West,Pens,1\nW\xe9st,Pens,1\n", ["line 3", "0xe9", "UTF-8"]),
    "UTF-16": ("Region,Product,Amount\n".encode("utf-16"), ["line 1", "UTF-8"]),
    "empty": ("", ["empty"]),
    "blank lines only": ("\n\n", ["empty"]),
    "column twice": ("Region,Product,Amount,Amount\n", ["2 columns 'Amount'"]),
    "broken gzip": (gzip.compress(HEADER.encode() * 99)[:-9], ["cells.csv"]),
    "corrupt gzip": (gzip.compress(b"x")[:12] + b"zzzzzz", ["cells.csv"]),
}


@pytest.mark.parametrize(("content", "parts"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_bad_file(tmp_path, publish, untouched, content, parts):
    code, out, err = publish(written(tmp_path, content))
    assert (code, out, len(err)) == (2, "", 1), err
    assert err[0].startswith("atomwire: ")
    for part in (*parts, "cells.csv"):
        assert part in err[0]
    untouched()


def test_a_missing_column_lists_those_that_exist(tmp_path, publish, untouched):
    code, _, err = publish(written(tmp_path, HEADER), dimensions="Region,Prodct")
    assert (code, len(err)) == (2, 1)
    assert "'Prodct'" in err[0]
    assert "did you mean 'Product'?" in err[0]
    assert "Region, Product, Amount" in err[0]
    untouched()


@pytest.mark.parametrize("option", ["--value", "--region"])
def test_every_column_option_is_looked_up(tmp_path, publish, untouched, option):
    code, _, err = publish(written(tmp_path, HEADER), option, "Nothing")
    assert (code, len(err)) == (2, 1)
    assert "no column 'Nothing'" in err[0]
    untouched()


@pytest.mark.parametrize("dimensions", ["", ",", "Region,,Product", "Region,Region"])
def test_bad_dimensions(tmp_path, publish, untouched, dimensions):
    code, _, err = publish(written(tmp_path, HEADER), dimensions=dimensions)
    assert (code, len(err)) == (2, 1)
    assert "--dimensions" in err[0]
    untouched()


@pytest.mark.parametrize("tenant", ["", "\udcff"])
def test_a_tenant_that_is_no_key(tmp_path, publish, untouched, tenant):
    code, _, err = publish(written(tmp_path, HEADER + "West,Pens,1\n"), tenant=tenant)
    assert (code, len(err)) == (2, 1)
    assert "--tenant" in err[0]
    untouched()


def test_no_such_file(tmp_path, publish, untouched):
    code, _, err = publish(tmp_path / "absent.csv")
    assert (code, len(err)) == (2, 1)
    assert "absent.csv" in err[0]
    assert "No such file" in err[0]
    untouched()


def test_a_name_that_no_file_can_have(tmp_path, publish, untouched):
    code, _, err = publish(tmp_path / ("x" * 300))
    assert (code, len(err)) == (2, 1)
    assert "cannot read" in err[0]
    untouched()


def test_a_directory(tmp_path, publish, untouched):
    code, _, err = publish(tmp_path)
    assert (code, len(err)) == (2, 1)
    assert "directory" in err[0]
    untouched()


def test_a_missing_option_is_one_line_too(capfd):
    assert run(["publish", "cells.csv", "--tenant", "acme"]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "--dimensions" in line


def test_an_unknown_command_is_one_line_too(capfd):
    assert run(["publsh"]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "'publsh'" in line


def test_without_a_command_there_is_help(capfd):
    assert run([]) == 2
    out, err = capfd.readouterr()
    assert "publish" in out
    assert err == ""


@pytest.mark.parametrize("delimiter", ["", "ab"])
def test_a_bad_delimiter(tmp_path, publish, delimiter):
    code, _, err = publish(written(tmp_path, HEADER), "--delimiter", delimiter)
    assert (code, len(err)) == (2, 1)
    assert "--delimiter" in err[0]


def test_a_bad_setting_in_the_environment(tmp_path, publish, untouched, monkeypatch):
    monkeypatch.setenv("ATOMWIRE_ACKS", "some")
    code, _, err = publish(written(tmp_path, HEADER + "West,Pens,1\n"))
    assert (code, len(err)) == (2, 1)
    assert "ATOMWIRE_ACKS" in err[0]
    untouched()


def test_no_broker(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr("atomwire.cli.broker.PATIENCE", 0.5)
    path = written(tmp_path, HEADER + "West,Pens,1\n")
    assert run(command(path, "127.0.0.1:1", "t")[len(COMMAND) :]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert "127.0.0.1:1" in line
    assert "--brokers" in line


def test_without_the_extra_the_command_says_how_to_get_it():
    code = "import sys; sys.modules['typer'] = None; from atomwire.cli import main; main()"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert process.returncode == 2
    assert process.stderr == "atomwire: the command needs typer: pip install 'atomwire[cli]'\n"


# ---- A pipe is read once, so a mistake in it shows when cells are already on their way


def test_a_mistake_in_a_pipe_says_what_was_delivered(tmp_path, publish, heard):
    pipe = tmp_path / "cells.csv"
    os.mkfifo(pipe)
    text = HEADER + "West,Pens,1\n" * 20_000 + "West,Pens,x\n"
    writer = threading.Thread(target=pipe.write_text, args=(text,))
    writer.start()
    code, out, err = publish(pipe)
    writer.join()
    assert (code, out, len(err)) == (2, "", 1)
    assert "line 20002" in err[0]
    assert "2 events (20,000 molecules) were already delivered before that" in err[0]
    assert len(cells_of(heard(20_000))) == 20_000


def test_ctrl_c_says_what_was_delivered(tmp_path, brokers, topic, heard):
    pipe = tmp_path / "cells.csv"
    os.mkfifo(pipe)
    process = subprocess.Popen(
        command(pipe, brokers, topic),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    )
    with pipe.open("w") as file:
        file.write(HEADER + "West,Pens,1\n" * 10_000)
        file.flush()
        heard(10_000)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert out == ""
    assert err == (
        "atomwire: interrupted; 1 event (10,000 molecules) was already delivered before that\n"
    )


def test_a_broker_that_goes_away_in_the_middle(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr("atomwire.cli.sender.PATIENCE", 0.5)
    monkeypatch.setattr("atomwire.cli.publish.LAST_MOMENT", 0.5)
    pipe = tmp_path / "cells.csv"
    os.mkfifo(pipe)
    broker = EmbeddedBroker()
    broker.start()
    arguments = command(pipe, broker.bootstrap_servers, "t")[len(COMMAND) :]

    def write():
        with pipe.open("w") as file:
            file.write(HEADER + "West,Pens,1\n" * 10_000)
            file.flush()
            with EventConsumer(
                broker.bootstrap_servers, "t", "g", group_protocol="consumer"
            ) as consumer:
                next(batch for batch in consumer.batches() if batch)
            broker.close()
            file.write("West,Pens,1\n" * 10_000)

    writer = threading.Thread(target=write)
    writer.start()
    code = run(arguments)
    writer.join()
    out, err = capfd.readouterr()
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert "the broker has acknowledged nothing" in line
    assert "1 event (10,000 molecules) was already delivered before that" in line
    assert "1 event may have been" in line


def command(path, brokers, topic):
    columns = ["--dimensions", "Region,Product", "--value", "Amount"]
    where = ["--brokers", brokers, "--topic", topic]
    return [*COMMAND, "publish", str(path), "--tenant", "acme", *columns, *where]
