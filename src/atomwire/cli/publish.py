"""``atomwire publish``: the rows of a table become events, in order."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from atomwire.bus import BusError, DeliveryError, EventBus
from atomwire.cli.broker import require_topic, settings_from_environment
from atomwire.cli.cells import RegionCells, TableLayout, cells
from atomwire.cli.console import counted, print_json, progress_bar
from atomwire.cli.errors import INTERRUPTED, CommandError
from atomwire.cli.events import encode_cells, room_for_event
from atomwire.cli.rows import file_size, read_rows
from atomwire.cli.sender import Sender

LAST_MOMENT: Final = 5.0
"""Seconds that events already handed over have to arrive when the work is broken off."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to publish, and where to."""

    path: Path
    layout: TableLayout
    delimiter: str
    tenant: str
    brokers: str
    topic: str


@dataclass(frozen=True, slots=True)
class Published:
    """What the broker has acknowledged."""

    file: str
    tenant: str
    topic: str
    events: int
    molecules: int
    bytes: int
    seconds: float


def run(job: Job, *, json: bool) -> None:
    """Check the file, check the broker, send, and say what was delivered."""
    _check(job)
    published = _send(job)
    if json:
        print_json(asdict(published))
        return
    Console(highlight=False, soft_wrap=True).print(
        f"delivered {counted(published.molecules, 'cell')} of {published.file} to topic "
        f"{published.topic} for tenant {published.tenant}: "
        f"{counted(published.events, 'event')}, {published.bytes:,} bytes, "
        f"{published.seconds:.1f} s",
        markup=False,
    )


def _check(job: Job) -> None:
    """Read the file through, so that what is wrong in it shows before anything is sent."""
    # A pipe can be read only once. A mistake in it shows while its cells are being sent.
    if file_size(job.path) is not None:
        for _ in _groups(job, "checking"):
            pass


def _send(job: Job) -> Published:
    settings = settings_from_environment()
    require_topic(job.brokers, job.topic, settings)
    start = time.perf_counter()
    with EventBus(job.brokers, job.topic, settings=settings) as bus:
        sender = Sender(bus, job.tenant)
        try:
            for group in _groups(job, "publishing"):
                for event in encode_cells(job.tenant, group, room_for_event(settings)):
                    sender.send(event)
            sender.finish()
        except KeyboardInterrupt:
            raise _stopped("interrupted", bus, sender, exit_code=INTERRUPTED) from None
        except (CommandError, BusError) as error:
            raise _stopped(str(error), bus, sender) from error
    return Published(
        file=str(job.path),
        tenant=job.tenant,
        topic=job.topic,
        events=sender.events,
        molecules=sender.molecules,
        bytes=sender.bytes,
        seconds=time.perf_counter() - start,
    )


def _groups(job: Job, what: str) -> Iterator[RegionCells]:
    """Read the file as cells under a progress bar."""
    with progress_bar(f"{what} {job.path.name}", file_size(job.path)) as advance:
        for rows in read_rows(job.path, job.layout.columns, delimiter=job.delimiter):
            yield from cells(job.path, rows, job.layout)
            advance(rows.position)


def _stopped(reason: str, bus: EventBus, sender: Sender, exit_code: int = 2) -> CommandError:
    """Close the bus in the middle of the work, and tell what was delivered up to there."""
    # What was handed over may still arrive: give it a moment, so that the count is right. What
    # does not arrive is what the count leaves out.
    with suppress(DeliveryError):
        bus.close(LAST_MOMENT)
    return CommandError(f"{reason}; {sender.delivered()}", exit_code=exit_code)
