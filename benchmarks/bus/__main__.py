"""Measures the bus: ``python -m benchmarks.bus [FOLDER] [--rounds N] [--seconds S]``."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Literal

from atomwire.bus import BusSettings
from benchmarks.bus import brokers, durable, latency, rates, report, waits
from benchmarks.bus.brokers import Broker
from tests.broker.go_service import GoService

CELLS = 1_000_000
WAIT_ROUNDS = 4
PROFILES: tuple[Literal["interactive", "batched"], ...] = ("interactive", "batched")


def main() -> None:
    """Measure everything, and write the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bus")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each steady measurement")
    arguments = parser.parse_args()
    results = report.Results()
    with tempfile.TemporaryDirectory() as folder:
        service = GoService(Path(folder))
        for place in (brokers.embedded, brokers.kafka):
            with place() as broker:
                _rates(results, broker, arguments.rounds, service)
                _latencies(results, broker, arguments.seconds)
                if broker.cluster is not None:
                    _waits(results, broker, arguments.seconds)
                    _tell("durable publishes")
                    results.durable = durable.in_turns(broker, arguments.rounds)
    print(report.write(results, arguments.folder))
    print(f"\nThe whole report: {arguments.folder / 'bus.md'}")


def _rates(results: report.Results, broker: Broker, rounds: int, service: GoService) -> None:
    _tell(f"rates, {broker.name}")
    results.pairs += [
        rates.publish(broker, rounds),
        rates.publish_many(broker, rounds),
        rates.go_writer(broker, rounds, service),
        rates.go_writer_throughput(broker, rounds, service),
    ]
    if broker.cluster is None:
        return  # a million cells of one tenant are more than the embedded broker keeps
    _tell(f"events a batch, {broker.name}")
    results.batch_sizes = rates.batch_sizes(broker, rounds)
    for what, measure in (("write", rates.coalesced), ("write_molecules", rates.coalesced_columns)):
        results.cells[what, broker.name] = [measure(broker, CELLS) for _ in range(rounds)]


def _latencies(results: report.Results, broker: Broker, seconds: float) -> None:
    publishers: dict[str, latency.Publisher] = {report.BUS: latency.bus}
    if broker.cluster is not None:
        publishers[report.RAW] = latency.raw_producer
        print(f"Warming {broker.name} up ...", flush=True)
        latency.warm_up(broker)
    for profile in PROFILES:
        _tell(f"latency, {broker.name}, {profile}")
        settings = BusSettings(profile=profile)
        for name, turns in latency.in_turns(broker, settings, seconds, publishers).items():
            results.latencies[broker.name, profile, name] = turns


def _waits(results: report.Results, broker: Broker, seconds: float) -> None:
    per_second = latency.PER_SECOND
    count = int(seconds * per_second / WAIT_ROUNDS)
    for name, measure in (
        (report.LOOP, waits.loop_beside),
        ("broker up", waits.broker_up),
        (f"broker {waits.SLOW_SECONDS * 2:g} s away", waits.broker_slow),
        ("broker gone", waits.broker_gone),
        ("broker gone, spooling", waits.spooling),
    ):
        _tell(f"the caller's wait, {name}")
        results.waits[name] = [measure(broker, count, per_second) for _ in range(WAIT_ROUNDS)]


def _tell(what: str) -> None:
    print(f"Measuring {what} ...", flush=True)


if __name__ == "__main__":
    main()
