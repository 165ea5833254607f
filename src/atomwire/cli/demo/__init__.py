"""``atomwire demo``: real rows become events, cross a broker, and are found again as cells."""

from dataclasses import asdict

from rich.console import Console

from atomwire.cli.console import print_json, progress_bar
from atomwire.cli.demo.comparison import Comparison
from atomwire.cli.demo.result import Latency, Result
from atomwire.cli.demo.sample import POPULATION, SUPERSTORE, Sample
from atomwire.cli.demo.trip import SETTINGS, TOPIC, travel
from atomwire.cli.demo.view import show
from atomwire.cli.errors import CommandError
from atomwire.cli.rows import file_size

_EXAMPLES = 5


def run(*, large: bool, json: bool) -> None:
    """Make the trip, compare, and show what happened; an error unless every row came back."""
    result = _demonstrate(POPULATION if large else SUPERSTORE)
    if json:
        print_json(asdict(result) | {"complete": result.complete})
    else:
        show(Console(highlight=False), result)
    if not result.complete:
        raise CommandError(
            f"{result.equal:,} of {result.rows:,} rows came back equal: this must not happen, "
            "please report it",
            exit_code=1,
        )


def _demonstrate(sample: Sample) -> Result:
    with progress_bar(f"publishing {sample.file}", file_size(sample.path())) as advance:
        trip = travel(sample, advance)
    comparison = Comparison(sample, trip.arrivals)
    return Result(
        file=sample.file,
        about=sample.about,
        topic=TOPIC,
        partition=trip.arrivals[0].partition,
        rows=comparison.rows,
        cells=comparison.cells,
        equal=comparison.equal,
        events=len(trip.published_ns),
        molecules=trip.molecules,
        arrived=comparison.arrived,
        bytes=trip.bytes,
        batches=trip.batches,
        seconds=trip.seconds,
        encode_ns_per_molecule=trip.encode_ns / trip.molecules,
        linger_ms=SETTINGS.linger_ms,
        latency=Latency.of(trip.latencies_ns()),
        examples=comparison.examples(_EXAMPLES),
    )
