"""The command ``atomwire``, installed by the extra ``cli``."""

import io
import sys

from atomwire.cli.interrupts import keep_interrupts

__all__ = ["main"]

_EXTRA = frozenset({"typer", "rich", "mmh3"})


def main() -> None:
    """Run the command; without its extra, say in one line how to get it."""
    try:
        from atomwire.cli.app import run
    except ImportError as error:
        # Anything else that cannot be imported is a broken installation, and must be seen.
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        print(
            f"atomwire: the command needs {error.name}: pip install 'atomwire[cli]'",
            file=sys.stderr,
        )
        sys.exit(2)
    keep_interrupts()
    # A terminal or a file that knows no arrows gets question marks instead of a traceback.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    sys.exit(run())
