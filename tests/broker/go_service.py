"""The Go program that stands for the Go service: built here, run with messages on stdin."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.broker.jars import MissingError

_SOURCE = Path(__file__).with_name("go")


class GoService:
    """Publishes with segmentio/kafka-go.

    Parameters
    ----------
    folder : Path
        Where the program is built.

    Raises
    ------
    MissingError
        There is no Go, or its modules cannot be fetched.
    """

    def __init__(self, folder: Path) -> None:
        if shutil.which("go") is None:
            raise MissingError("go is not installed (Debian, Ubuntu: apt-get install golang)")
        self._program = folder / "partition"
        for command in (["go", "mod", "download"], ["go", "build", "-o", str(self._program), "."]):
            done = subprocess.run(command, cwd=_SOURCE, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise MissingError(f"{' '.join(command)} failed:\n{done.stderr}")

    def publish(self, brokers: str, topic: str, messages: Iterable[tuple[str, bytes]]) -> None:
        """Publish messages, given by key and value, and wait for their acknowledgement."""
        self._run([brokers, topic], messages)

    def bench(
        self, brokers: str, topic: str, messages: Iterable[tuple[str, bytes]], count: int
    ) -> float:
        """Publish messages again and again until it was `count` (and one before the clock starts).

        Returns
        -------
        float
            Seconds until the last was acknowledged.
        """
        return float(self._run(["-bench", str(count), brokers, topic], messages))

    def _run(self, arguments: list[str], messages: Iterable[tuple[str, bytes]]) -> str:
        lines = "".join(f"{key.encode().hex()} {value.hex()}\n" for key, value in messages)
        command = [str(self._program), *arguments]
        done = subprocess.run(command, input=lines, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"the Go program failed: {done.stderr}")
        return done.stdout
