"""The commands and their options; what they do is in a module each."""

import csv
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from atomwire.cli import demo as demo_command
from atomwire.cli import publish as publish_command
from atomwire.cli.cells import TableLayout
from atomwire.cli.errors import CommandError

app = typer.Typer(
    name="atomwire",
    help="Cell changes of planning cubes, as FlatBuffers over Kafka.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, for machines.")]


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    An error is one line on stderr. Typer's own errors (a missing option, a bad number) are
    shown in the same way as those of the commands.
    """
    # The bus logs what librdkafka reports; a command says what matters in words of its own.
    logging.getLogger("atomwire").addHandler(logging.NullHandler())
    try:
        code = app(arguments, prog_name="atomwire", standalone_mode=False)
    except CommandError as error:
        return _fail(str(error), error.exit_code)
    except TyperException as error:
        # Without arguments Typer has printed its help already, and has no more to say.
        message = error.format_message()
        return _fail(f"{message} (see atomwire --help)", 2) if message else 2
    return code if isinstance(code, int) else 0


@app.command()
def demo(
    large: Annotated[
        bool, typer.Option("--large", help="346,332 cells of the UN's population figures.")
    ] = False,
    json: Json = False,
) -> None:
    """Send real rows through a Kafka broker inside this process, and find their cells again.

    Needs the extra 'demo' (pip install 'atomwire[demo]') for the data, and nothing else: no
    broker has to be running.
    """
    demo_command.run(large=large, json=json)


@app.command()
def publish(
    file: Annotated[
        Path,
        typer.Argument(help="CSV in UTF-8, plain or gzipped; its first line names the columns."),
    ],
    tenant: Annotated[str, typer.Option(help="Whose cells these are; the Kafka key.")],
    dimensions: Annotated[
        str,
        typer.Option(
            help="Columns whose members make the coordinate, in the order of the cube, "
            "with commas between: Region,Product",
        ),
    ],
    value: Annotated[
        str, typer.Option(help="Column of the numbers; empty: a cell without a value.")
    ],
    region: Annotated[
        str | None,
        typer.Option(help="Column to group by, so that each event has cells of one region only."),
    ] = None,
    delimiter: Annotated[str, typer.Option(help="What stands between two fields.")] = ",",
    brokers: Annotated[
        str, typer.Option(envvar="ATOMWIRE_BROKERS", help="Where the brokers listen, host:port.")
    ] = "localhost:9092",
    topic: Annotated[
        str, typer.Option(envvar="ATOMWIRE_TOPIC", help="Topic to publish to.")
    ] = "atom-events",
    json: Json = False,
) -> None:
    """Publish the rows of a table as cells, one cell for each row, in the order of the file.

    The whole file is checked before anything is sent.
    """
    _check_tenant(tenant)
    if len(delimiter) != 1:
        raise CommandError(f"--delimiter is {delimiter!r}: give one character")
    publish_command.run(
        publish_command.Job(
            path=file,
            layout=TableLayout(_names(dimensions), value, region),
            delimiter=delimiter,
            tenant=tenant,
            brokers=brokers,
            topic=topic,
        ),
        json=json,
    )


def _check_tenant(tenant: str) -> None:
    if not tenant:
        raise CommandError("--tenant is empty: name the tenant whose cells these are")
    try:
        tenant.encode()
    except UnicodeEncodeError as error:
        raise CommandError(f"--tenant is {tenant!r}: write it in UTF-8") from error


def _names(text: str) -> tuple[str, ...]:
    # Read as a line of CSV, so that a column whose name has a comma can be quoted.
    names = tuple(name.strip() for name in next(csv.reader([text], skipinitialspace=True), []))
    if not names or "" in names:
        raise CommandError(f"--dimensions is {text!r}: give the columns' names as A,B,C")
    for name in names:
        if names.count(name) > 1:
            raise CommandError(
                f"--dimensions names {name!r} {names.count(name)} times: once is due"
            )
    return names


def _fail(message: str, exit_code: int) -> int:
    print(f"atomwire: {' '.join(message.splitlines())}", file=sys.stderr)
    return exit_code
