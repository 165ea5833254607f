"""Counts instructions with callgrind: `python -m benchmarks.instructions`.

Unlike times, counts are the same in every run, whatever else the machine does. Each workload runs
twice, with n and 2n repetitions; the difference is free of start-up.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

REPEAT = 20
COUNT = 10_000
HASH = 0x0123456789ABCDEF_FEDCBA9876543210


def encode() -> Callable[[], object]:
    """Encode 10,000 numeric molecules into a buffer."""
    import atomwire
    from benchmarks import data

    molecules = data.numeric(COUNT).molecules()
    buffer = bytearray(atomwire.encoded_size(data.TENANT, molecules))
    return lambda: atomwire.encode_into(buffer, data.TENANT, molecules)


def memcpy() -> Callable[[], object]:
    """Copy the same bytes."""
    import atomwire
    from benchmarks import data

    event = atomwire.encode(data.TENANT, data.numeric(COUNT).molecules())
    view = memoryview(bytearray(len(event)))

    def copy() -> None:
        view[:] = event

    return copy


def mixed() -> Callable[[], object]:
    """Encode 10,000 molecules of mixed kinds."""
    import atomwire
    from benchmarks import data

    molecules = data.mixed(COUNT, with_texts=False).molecules()
    buffer = bytearray(atomwire.encoded_size(data.TENANT, molecules))
    return lambda: atomwire.encode_into(buffer, data.TENANT, molecules)


def verify() -> Callable[[], object]:
    """Verify 10,000 molecules."""
    import atomwire
    from benchmarks import data

    event = atomwire.encode(data.TENANT, data.numeric(COUNT).molecules())
    return lambda: atomwire.verify(event)


def batch() -> Callable[[], object]:
    """Peek 10,000 messages into an array."""
    import numpy as np

    import atomwire

    events = [atomwire.Encoder("acme").cell(n, 1.5) for n in range(COUNT)]
    out = np.empty((COUNT, 2), np.uint64)
    return lambda: atomwire.peek_batch(events, out)


def peek() -> Callable[[], object]:
    """Peek 10,000 times."""
    import atomwire

    event = atomwire.Encoder("acme").cell(HASH, 1.5)
    function = atomwire.peek_coordinate_hash

    def loop() -> None:
        for _ in range(COUNT):
            function(event)

    return loop


def cell() -> Callable[[], object]:
    """Encode 10,000 keystrokes."""
    import atomwire

    function = atomwire.Encoder("acme").cell

    def loop() -> None:
        for _ in range(COUNT):
            function(HASH, 1.5)

    return loop


WORKLOADS = (encode, memcpy, mixed, verify, batch, peek, cell)


def run(name: str, repeat: int) -> None:
    """Run one workload; this is what callgrind counts."""
    work = next(each for each in WORKLOADS if each.__name__ == name)()
    for _ in range(repeat):
        work()


def count(name: str, repeat: int) -> int:
    """Return the instructions of a whole run."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind.out"
        subprocess.run(
            [
                "valgrind",
                "--tool=callgrind",
                f"--callgrind-out-file={out}",
                sys.executable,
                "-m",
                "benchmarks.instructions",
                name,
                str(repeat),
            ],
            check=True,
            capture_output=True,
            env={"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"},
        )
        totals = next(
            line
            for line in out.read_text().splitlines()
            if line.startswith(("totals:", "summary:"))
        )
        return int(totals.split()[1])


def main() -> None:
    """Print instructions for one molecule or call of each workload."""
    run(WORKLOADS[0].__name__, 1)  # so that compiling modules is not counted
    print("| workload | instructions for one |\n| --- | --- |")
    for work in WORKLOADS:
        name = work.__name__
        # The least of two: the first one may find files and caches cold.
        once, twice = (min(count(name, n) for _ in range(2)) for n in (REPEAT, 2 * REPEAT))
        each = (twice - once) / (REPEAT * COUNT)
        assert work.__doc__ is not None
        print(f"| {work.__doc__.strip('.').lower()} | {each:.1f} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        run(sys.argv[1], int(sys.argv[2]))
    else:
        main()
