"""From one molecule to 999,999, and with two threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import atomwire
from benchmarks import data
from benchmarks.measure import measure

GROWTH = "growth"
THREADS = "threads"
SHARE = (
    20_000  # its event and columns fit the L2 cache of a core: cores are compared, not the memory
)
SHARES = 256


CELLS = {
    "encode": data.numeric,
    "encode mixed": lambda count: data.mixed(count, with_texts=True),
    "encode texts": data.commented,
}


@pytest.mark.parametrize("count", data.SIZES)
@pytest.mark.parametrize("what", CELLS)
def test_encode(benchmark: Any, what: str, count: int) -> None:
    molecules = CELLS[what](count).molecules()
    buffer = bytearray(atomwire.encoded_size(data.TENANT, molecules))
    assert atomwire.encode_into(buffer, data.TENANT, molecules) == len(buffer)
    assert atomwire.decode(buffer).molecules == molecules
    measure(
        benchmark,
        GROWTH,
        f"{what} {count}",
        lambda: atomwire.encode_into(buffer, data.TENANT, molecules),
        each=count,
    )


@pytest.mark.parametrize("count", data.SIZES)
def test_memcpy(benchmark: Any, count: int) -> None:
    event = atomwire.encode(data.TENANT, data.numeric(count).molecules())
    view = memoryview(bytearray(len(event)))

    def copy() -> None:
        view[:] = event

    copy()
    assert view == event
    measure(benchmark, GROWTH, f"memcpy {count}", copy, each=count)


@pytest.mark.parametrize("count", data.SIZES)
def test_decode(benchmark: Any, count: int) -> None:
    molecules = data.numeric(count).molecules()
    event = atomwire.encode(data.TENANT, molecules)
    assert atomwire.decode(event).molecules == molecules
    measure(
        benchmark, GROWTH, f"decode {count}", lambda: atomwire.decode(event).molecules, each=count
    )


@pytest.mark.threads
@pytest.mark.parametrize("threads", [1, 2])
def test_threads(benchmark: Any, threads: int) -> None:
    molecules = data.numeric(SHARE).molecules()
    size = atomwire.encoded_size(data.TENANT, molecules)
    buffers = [bytearray(size) for _ in range(threads)]

    def work(buffer: bytearray) -> None:
        for _ in range(SHARES // threads):
            atomwire.encode_into(buffer, data.TENANT, molecules)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, buffers))
        assert all(atomwire.decode(buffer).molecules == molecules for buffer in buffers)
        measure(
            benchmark,
            THREADS,
            f"{threads} thread" + "s" * (threads > 1),
            lambda: list(pool.map(work, buffers)),
            each=SHARE * SHARES,
        )
