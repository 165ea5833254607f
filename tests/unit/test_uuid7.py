"""Event ids: UUIDv7, in order, and never the same twice."""

import json
import os
import re
import subprocess
import sys
import threading
import time
import uuid
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import atomwire

PATTERN = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def new_ids(count):
    encoder = atomwire.Encoder("acme")
    return [atomwire.peek_event_id(encoder.cell(1, 1.0)) for _ in range(count)]


@pytest.mark.parametrize("make", [lambda: atomwire.encode("acme", type=4), None])
def test_thirty_six_characters_of_version_seven(make):
    for _ in range(100):
        found = atomwire.peek_event_id(make()) if make else new_ids(1)[0]
        assert len(found) == 36
        assert PATTERN.fullmatch(found)
        parsed = uuid.UUID(found)
        assert parsed.version == 7
        assert parsed.variant == uuid.RFC_4122


def test_it_starts_with_the_milliseconds_of_now():
    before = time.time_ns() // 1_000_000
    found = int(new_ids(1)[0].replace("-", "")[:12], 16)
    # Ids made in bursts run ahead of the clock by what the burst took.
    assert before <= found <= time.time_ns() // 1_000_000 + 1000


def test_ids_of_one_thread_are_in_order():
    ids = new_ids(20_000)
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_both_ways_of_encoding_draw_from_one_order():
    ids = []
    encoder = atomwire.Encoder("acme")
    for _ in range(500):
        ids.append(atomwire.peek_event_id(atomwire.encode("acme", type=4)))
        ids.append(atomwire.peek_event_id(encoder.cell(1, 1.0)))
    assert ids == sorted(ids)


def test_ids_of_many_threads_are_unique_and_each_threads_own_in_order():
    found = [[] for _ in range(8)]

    def work(number):
        found[number].extend(new_ids(2000))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(ids == sorted(ids) for ids in found)
    assert len({each for ids in found for each in ids}) == 8 * 2000


def test_the_random_bits_differ():
    tails = {each[-12:] for each in new_ids(1000)}
    assert len(tails) == 1000


FORK = """
import json, os, sys
import atomwire

def new_ids():
    return [atomwire.peek_event_id(atomwire.encode("acme", type=4)) for _ in range(200)]

before = new_ids()
readers = []
for child in range(4):
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.write(writer, json.dumps(new_ids()).encode())
        os._exit(0)
    os.close(writer)
    readers.append(reader)
families = [before, new_ids()]
for reader in readers:
    with os.fdopen(reader, "rb") as pipe:
        families.append(json.loads(pipe.read()))
json.dump(families, sys.stdout)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_children_of_a_fork_make_ids_of_their_own():
    # In a process of its own, because this one may have threads.
    run = subprocess.run([sys.executable, "-c", FORK], capture_output=True, check=True)
    families = json.loads(run.stdout)
    assert len(families) == 6
    assert len({each for family in families for each in family}) == 6 * 200
    # The bits that are not the clock's differ too: the children do not share a random state.
    tails = [{each[-12:] for each in family} for family in families]
    assert len(set.union(*tails)) == 6 * 200


def test_the_core_and_its_clock_are_in_the_process_once():
    # Each extension that links the core brings a clock of its own, which no timing would show.
    package = Path(atomwire.__file__).parent
    extensions = {path for suffix in EXTENSION_SUFFIXES for path in package.rglob(f"*{suffix}")}
    assert {path.name.partition(".")[0] for path in extensions} == {"_native"}
