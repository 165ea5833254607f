"""Every official runtime reads what this package writes, and the other way round."""

import os
import struct
import subprocess

import model
import numpy as np
import pytest

import atomwire

EVENTS = int(os.environ.get("INTEROP_EVENTS", "2000"))
CHUNK = 10_000  # events at a time, so that a million need little memory
LENGTH = struct.Struct("<I")


def chunks(language):
    """The numbers of the events to go through, in portions."""
    total = EVENTS if language.fast else max(EVENTS // 20, min(EVENTS, 500))
    return [(start, min(CHUNK, total - start)) for start in range(0, total, CHUNK)]


def framed(events):
    return b"".join(LENGTH.pack(len(event)) + event for event in events)


def unframed(content):
    at = 0
    while at < len(content):
        (size,) = LENGTH.unpack_from(content, at)
        at += LENGTH.size
        yield content[at : at + size]
        at += size


def run(program, mode, source, target):
    done = subprocess.run(
        [*program, mode, str(source), str(target)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def assert_same_lines(found, expected):
    """Like ==, but a failure shows the first event that differs and not all of them."""
    assert len(found) == len(expected)
    for number, (one, other) in enumerate(zip(found, expected, strict=True)):
        assert one == other, f"event {number}"


def test_they_read_what_we_write(language, program, tmp_path):
    source, target = tmp_path / "events", tmp_path / "lines"
    for start, count in chunks(language):
        events = list(model.random_events(start, count))
        source.write_bytes(framed(map(model.encode, events)))
        run(program, "read", source, target)
        if not language.keeps_nan:
            events = list(map(model.with_one_nan, events))
            target.write_text(one_nan(target.read_text()))
        assert_same_lines(target.read_text().splitlines(), list(map(model.line_of, events)))


def one_nan(lines):
    """The lines with all NaNs alike."""

    def cell(row):
        words = row.split(",")
        if len(words) > 1 and words[1] != "-" and np.isnan(model.number_of(int(words[1], 16))):
            words[1] = model.CANONICAL_NAN
        return ",".join(words)

    def line(each):
        head, _, rows = each.rpartition(" ")
        if rows in ("-", "[]"):
            return each
        return f"{head} [{';'.join(map(cell, rows[1:-1].split(';')))}]"

    return "\n".join(map(line, lines.splitlines()))


@pytest.mark.parametrize("mode", ["write", "write-forced"])
def test_we_read_what_they_write(language, program, mode, tmp_path):
    if mode == "write-forced" and not language.forces_defaults:
        pytest.skip(f"{language.name}: its builder always leaves out defaults")
    source, target = tmp_path / "lines", tmp_path / "events"
    for start, count in chunks(language):
        events = list(model.random_events(~start, count))
        source.write_text("".join(model.line_of(event) + "\n" for event in events))
        run(program, mode, source, target)
        if mode == "write":
            events = list(map(model.without_defaults, events))
            if not language.writes_zero_values:
                events = list(map(model.without_zero_values, events))
        found = [model.line_as_decoded(event) for event in unframed(target.read_bytes())]
        if not language.keeps_nan:
            events = list(map(model.with_one_nan, events))
            found = one_nan("\n".join(found)).splitlines()
        expected = [model.without_empty_vector(model.line_of(event)) for event in events]
        assert_same_lines(found, expected)


def encodes(molecules):
    try:
        atomwire.encoded_size("t", molecules)
    except ValueError:
        return False
    return True


def longest_shared_text(rows):
    """The longest text that `encode` lets all of so many molecules share."""
    hashes = np.zeros((rows, 2), np.uint64)
    fits, too_long = 1, 4000
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if encodes(atomwire.Molecules(hashes, 1.0, "x" * middle, 2, True, "e", 3, 4)):
            fits = middle
        else:
            too_long = middle
    return atomwire.Molecules(hashes, 1.0, "x" * fits, 2, True, "e", 3, 4)


def test_the_largest_event_passes_the_official_verifiers(rust_program, cpp_program, tmp_path):
    # Rust's verifier counts a shared text anew for each table that points to it, and stops at
    # 2 GiB; so does the encoder, whatever else the molecules carry.
    molecules = longest_shared_text(999_999)
    source = tmp_path / "events"
    source.write_bytes(framed([atomwire.encode("t" * 1000, molecules)]))
    for program in (rust_program, cpp_program):
        run(program, "verify", source, os.devnull)


def test_as_many_molecules_as_one_event_may_carry(rust_program, cpp_program, tmp_path):
    source = tmp_path / "events"
    molecules = atomwire.Molecules(np.zeros((999_999, 2), np.uint64))
    source.write_bytes(framed([atomwire.encode("t", molecules)]))
    for program in (rust_program, cpp_program):
        run(program, "verify", source, os.devnull)
