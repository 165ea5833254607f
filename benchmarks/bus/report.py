"""Turns what was measured into a page."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import confluent_kafka
import numpy as np

from benchmarks.bus import plots
from benchmarks.bus.latency import Nanoseconds
from benchmarks.bus.rates import GO_WRITER, Pair, Rate
from benchmarks.bus.waits import Waits
from tests.broker import jars

INTERACTIVE_P99_MS = 2.0
BATCHED_P99_MS = 12.0
WAIT_P999_US = 50.0
BUS = "atomwire"
RAW = "confluent-kafka's Producer"
LOOP = "no publish: an empty loop beside one"
WRITE_CELLS = 3e6
COLUMN_CELLS = 20e6


@dataclass
class Results:
    """All measurements of one run."""

    load: float = field(default_factory=lambda: os.getloadavg()[0])
    pairs: list[Pair] = field(default_factory=list)
    cells: dict[tuple[str, str], list[Rate]] = field(default_factory=dict)
    latencies: dict[tuple[str, str, str], Nanoseconds] = field(default_factory=dict)
    waits: dict[str, Waits] = field(default_factory=dict)
    batch_sizes: dict[int, list[Rate]] = field(default_factory=dict)


def write(results: Results, folder: Path) -> str:
    """Write the page and its pictures; return the table of targets."""
    folder.mkdir(parents=True, exist_ok=True)
    targets = _targets(results)
    parts = [
        "# Benchmarks of the bus",
        f"{_machine()} Load average before the run: {results.load:.1f}. `make bench-bus` makes "
        "this page. Every benchmark asserts that all events arrived, once and each tenant's in "
        "order. Ratios are medians of rounds in which both took turns.",
        "## Targets",
        targets,
    ]
    if results.pairs:
        plots.rates(results.pairs, folder / "bus-rates.svg")
        parts += ["## Rates", "![Rates](bus-rates.svg)", _rates(results.pairs)]
    if results.batch_sizes:
        parts += [
            "## Events a batch",
            "`publish_many` by the hundred to Kafka, snappy, 10 ms of linger: what `batch_size` "
            "(100 in the default profile, as in the Go service) costs. A batch is a request, and "
            "Kafka answers the requests of a connection one after the other.",
            _batch_sizes(results.batch_sizes),
        ]
    if results.latencies:
        named = {", ".join(names): values for names, values in results.latencies.items()}
        plots.latencies(named, folder / "bus-latency.svg")
        parts += [
            "## From publish to peek",
            "1,000 events/s of 100 tenants in 4 partitions, milliseconds, with the same listener; "
            "the two took turns on one broker. What confluent-kafka's own producer shows is the "
            "machine's part: broker, listener and publisher share its CPUs, and the broker stops "
            "for its garbage collector.",
            "![Latencies](bus-latency.svg)",
            _percentiles(named, 1e6),
        ]
    if results.waits:
        nanoseconds = {name: each.nanoseconds for name, each in results.waits.items()}
        plots.waits(nanoseconds, folder / "bus-waits.svg")
        parts += [
            "## The caller's wait",
            "1,000 publishes/s to Kafka, microseconds.",
            "![Waits](bus-waits.svg)",
            _percentiles(nanoseconds, 1e3),
            "Calls over the target, and those among them in which the kernel took the CPU away "
            "(`ru_nivcsw`): for the broker, or for librdkafka's own thread, which a publish "
            "wakes. What publish itself waits for would not be counted there.",
            _preempted(results.waits),
        ]
    (folder / "bus.md").write_text("\n\n".join(parts) + "\n")
    return targets


def _targets(results: Results) -> str:
    rows = []
    for pair in results.pairs:
        for side, name in (("handed", "handed over"), ("acknowledged", "acknowledged")):
            if side == "handed" and pair.peer == GO_WRITER:
                continue  # the Go program knows no such moment
            ratio = pair.ratio(side)
            what = f"{pair.what}, {pair.broker}: {name}, of {pair.peer}"
            rows.append(_row(what, f"{ratio:.2f}x", f"≥ {pair.target}x", ratio >= pair.target))
    for (what, broker), rates in results.cells.items():
        wanted = WRITE_CELLS if what == "write" else COLUMN_CELLS
        best = max(each.handed for each in rates)
        shown = f"{best / 1e6:.1f} million cells/s"
        rows.append(_row(f"{what}, {broker}", shown, f"≥ {wanted / 1e6:.0f}", best >= wanted))
    for (broker, profile, publisher), values in results.latencies.items():
        # The targets are of a real broker: the embedded one does not wake a waiting fetch.
        if broker == "embedded" or publisher != BUS:
            continue
        wanted = INTERACTIVE_P99_MS if profile == "interactive" else BATCHED_P99_MS
        p99 = float(np.percentile(values, 99)) / 1e6
        what = f"publish to peek, {profile}, {broker}: p99"
        rows.append(_row(what, f"{p99:.2f} ms", f"≤ {wanted:.0f} ms", p99 <= wanted))
    for name, waits in results.waits.items():
        if name == LOOP:
            continue
        p999 = float(np.percentile(waits.nanoseconds, 99.9)) / 1e3
        what = f"wait in publish, {name}: p99.9"
        rows.append(_row(what, f"{p999:.0f} µs", f"< {WAIT_P999_US:.0f} µs", p999 < WAIT_P999_US))
    return _table(["what", "measured", "target", ""], rows)


def _row(what: str, measured: str, target: str, met: bool) -> list[str]:
    return [what, measured, target, "met" if met else "**missed**"]


def _rates(pairs: Sequence[Pair]) -> str:
    def median(rates: Sequence[Rate], side: str) -> str:
        return f"{np.median([getattr(each, side) for each in rates]):,.0f}"

    rows = [
        [name, pair.broker, median(rates, "handed"), median(rates, "acknowledged")]
        for pair in pairs
        for name, rates in ((f"atomwire: {pair.what}", pair.ours), (pair.peer, pair.theirs))
    ]
    return _table(["", "broker", "events/s handed over", "events/s acknowledged"], rows)


def _percentiles(measured: dict[str, Nanoseconds], unit: float) -> str:
    points = (50, 90, 99, 99.9, 100)
    rows = [
        [name, *(f"{value:,.2f}" for value in np.percentile(values, points) / unit)]
        for name, values in measured.items()
    ]
    return _table(["", *("max" if p == 100 else f"p{p:g}" for p in points)], rows)


def _batch_sizes(measured: dict[int, list[Rate]]) -> str:
    rows = [
        [f"{size:,}", f"{np.median([each.acknowledged for each in rates]):,.0f}"]
        for size, rates in measured.items()
    ]
    return _table(["events a batch, at most", "events/s acknowledged"], rows)


def _preempted(measured: dict[str, Waits]) -> str:
    rows = []
    for name, waits in measured.items():
        over = waits.nanoseconds > WAIT_P999_US * 1e3
        kept = np.percentile(waits.nanoseconds[~waits.preempted], 99.9) / 1e3
        rows.append(
            [name, f"{over.sum():,}", f"{(over & waits.preempted).sum():,}", f"{kept:,.2f}"]
        )
    headings = ["", f"over {WAIT_P999_US:.0f} µs", "of these preempted"]
    return _table([*headings, "p99.9 of calls not preempted"], rows)


def _table(headings: list[str], rows: list[list[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _machine() -> str:
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = models[0].partition(": ")[2] if models else cpu
    return (
        f"{cpu}, {os.cpu_count()} CPUs for publisher, listener and broker together, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"librdkafka {confluent_kafka.libversion()[0]}, Kafka {jars.version()}, one node, "
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC."
    )
