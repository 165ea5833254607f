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
from benchmarks.bus.durable import THREADS
from benchmarks.bus.latency import Nanoseconds
from benchmarks.bus.rates import GO_WRITER, Pair, Rate
from benchmarks.bus.waits import Waits
from tests.broker import jars

INTERACTIVE_P99_MS = 1.0
BATCHED_P99_MS = 11.5
# p99.9 of a publish, over that of an empty loop beside the same load.
WAIT_OVER_LOOP_US = 5.0
LONG_WAIT_US = 50.0
DURABLE_GAIN = 4.0
BUS = "atomwire"
RAW = "confluent-kafka's Producer"
LOOP = "no publish: an empty loop beside one"
WRITE_CELLS = 8e6
COLUMN_CELLS = 60e6


@dataclass
class Results:
    """All measurements of one run."""

    load: float = field(default_factory=lambda: os.getloadavg()[0])
    pairs: list[Pair] = field(default_factory=list)
    cells: dict[tuple[str, str], list[Rate]] = field(default_factory=dict)
    latencies: dict[tuple[str, str, str], list[Nanoseconds]] = field(default_factory=dict)
    waits: dict[str, list[Waits]] = field(default_factory=dict)
    batch_sizes: dict[int, list[Rate]] = field(default_factory=dict)
    # Events a second of durable publishes, by one thread and by several at once.
    durable: dict[int, list[float]] = field(default_factory=dict)


def write(results: Results, folder: Path) -> str:
    """Write the page and its pictures; return the table of targets."""
    folder.mkdir(parents=True, exist_ok=True)
    targets = _targets(results)
    parts = [
        "# Benchmarks of the bus",
        f"{_machine()} Load average before the run: {results.load:.1f}. `make bench-bus` makes "
        "this page. Every benchmark asserts that all events arrived, once and each tenant's in "
        "order. Ratios are medians of rounds in which both took turns, percentiles medians of "
        "the rounds' own.",
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
        joined = {name: np.concatenate(turns) for name, turns in named.items()}
        plots.latencies(joined, folder / "bus-latency.svg")
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
        nanoseconds = {
            name: [each.nanoseconds for each in rounds] for name, rounds in results.waits.items()
        }
        joined = {name: np.concatenate(rounds) for name, rounds in nanoseconds.items()}
        plots.waits(joined, folder / "bus-waits.svg")
        parts += [
            "## The caller's wait",
            "1,000 publishes/s to Kafka, microseconds.",
            "![Waits](bus-waits.svg)",
            _percentiles(nanoseconds, 1e3),
            f"Calls over {LONG_WAIT_US:.0f} µs, and those among them in which the kernel took the "
            "CPU away (`ru_nivcsw`): for the broker, or for librdkafka's own thread, which a "
            "publish wakes. What publish itself waits for would not be counted there.",
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
            if pair.target is None:
                rows.append([what, f"{ratio:.2f}x", "", ""])
            else:
                met = ratio >= pair.target
                rows.append(_row(what, f"{ratio:.2f}x", f"≥ {pair.target}x", met))
    for (what, broker), rates in results.cells.items():
        wanted = WRITE_CELLS if what == "write" else COLUMN_CELLS
        best = max(each.handed for each in rates)
        shown = f"{best / 1e6:.1f} million cells/s"
        rows.append(_row(f"{what}, {broker}", shown, f"≥ {wanted / 1e6:.0f}", best >= wanted))
    for (broker, profile, publisher), turns in results.latencies.items():
        # The targets are of a real broker: the embedded one does not wake a waiting fetch.
        if broker == "embedded" or publisher != BUS:
            continue
        wanted = INTERACTIVE_P99_MS if profile == "interactive" else BATCHED_P99_MS
        p99, shown = _spread([np.percentile(turn, 99) / 1e6 for turn in turns], ".2f", "ms")
        what = f"publish to peek, {profile}, {broker}: p99"
        rows.append(_row(what, shown, f"≤ {wanted:g} ms", p99 <= wanted))
    if results.waits:
        wanted = _p999(results.waits[LOOP])[0] + WAIT_OVER_LOOP_US
        for name, waits in results.waits.items():
            if name != LOOP:
                p999, shown = _p999(waits)
                what = f"wait in publish, {name}: p99.9"
                rows.append(_row(what, shown, f"≤ {wanted:.0f} µs", p999 <= wanted))
    if results.durable:
        one, many = (float(np.median(results.durable[threads])) for threads in (1, THREADS))
        what = f"durable publish, {THREADS} threads, of the rate of one"
        shown = f"{many / one:.2f}x ({1e6 / one:.0f} and {1e6 / many:.0f} µs an event)"
        rows.append(_row(what, shown, f"≥ {DURABLE_GAIN:g}x", many / one >= DURABLE_GAIN))
    return _table(["what", "measured", "target", ""], rows)


def _p999(waits: Sequence[Waits]) -> tuple[float, str]:
    each = [np.percentile(round_.nanoseconds, 99.9) / 1e3 for round_ in waits]
    return _spread(each, ".0f", "µs")


def _spread(values: Sequence[float], form: str, unit: str) -> tuple[float, str]:
    """Return the median of rounds, and how to show it."""
    median = float(np.median(values))
    return median, f"{median:{form}} {unit} ({min(values):{form}} to {max(values):{form}})"


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


def _percentiles(measured: dict[str, list[Nanoseconds]], unit: float) -> str:
    points = (50, 90, 99, 99.9)
    rows = []
    for name, rounds in measured.items():
        medians = np.median([np.percentile(each, points) for each in rounds], axis=0)
        most = max(each.max() for each in rounds)
        rows.append([name, *(f"{value / unit:,.2f}" for value in (*medians, most))])
    return _table(["", *(f"p{point:g}" for point in points), "max of all"], rows)


def _batch_sizes(measured: dict[int, list[Rate]]) -> str:
    rows = [
        [f"{size:,}", f"{np.median([each.acknowledged for each in rates]):,.0f}"]
        for size, rates in measured.items()
    ]
    return _table(["events a batch, at most", "events/s acknowledged"], rows)


def _preempted(measured: dict[str, list[Waits]]) -> str:
    rows = []
    for name, rounds in measured.items():
        nanoseconds = np.concatenate([each.nanoseconds for each in rounds])
        preempted = np.concatenate([each.preempted for each in rounds])
        over = nanoseconds > LONG_WAIT_US * 1e3
        kept = np.percentile(nanoseconds[~preempted], 99.9) / 1e3
        rows.append([name, f"{over.sum():,}", f"{(over & preempted).sum():,}", f"{kept:,.2f}"])
    headings = ["", f"over {LONG_WAIT_US:.0f} µs", "of these preempted"]
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
