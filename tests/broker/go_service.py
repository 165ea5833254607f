"""The Go program that stands for the Go service: built here, run with messages on stdin."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.broker.go_program import build


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
        self._program = build("go", folder)

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
