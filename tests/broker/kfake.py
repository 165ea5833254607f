"""A second implementation of Kafka's protocol, franz-go's kfake, with faults on command."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from confluent_kafka.admin import AdminClient, NewTopic

from atomwire.bus.log import RateLimitedLog
from tests.broker.go_program import build

PRODUCE, METADATA, INIT_PRODUCER_ID = 0, 3, 22
FOREVER = -1
_PATIENCE_SECONDS = 60.0


class FakeKafka:
    """A cluster in one process, in memory. May be used from many threads.

    The faults take the same choices, all of which must hold; one that is not given chooses all.

    - ``topic``, ``partitions``: whose Produce requests (for `topic`, Metadata requests too) fail;
    - ``contains``: only batches with these bytes in the value of some record;
    - ``at_least``: only batches of so many records;
    - ``key``: the kind of request instead of Produce;
    - ``count``: how many requests, `FOREVER` for all until the fault is cleared; otherwise one.

    Parameters
    ----------
    folder : Path
        Where the program is built.
    brokers : int
        How many.

    Raises
    ------
    MissingError
        There is no Go, or its modules cannot be fetched.

    Attributes
    ----------
    bootstrap_servers : str
        Addresses for clients.
    """

    def __init__(self, folder: Path, brokers: int = 3) -> None:
        program = build("kfake", folder)
        self._lock = threading.Lock()
        # It ends with its input, and so with us.
        self._process = subprocess.Popen(
            [str(program), str(brokers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        started = json.loads(self._process.stdout.readline())
        self.bootstrap_servers = ",".join(started["addresses"])
        self._admin = AdminClient(
            {"bootstrap.servers": self.bootstrap_servers}, logger=RateLimitedLog()
        )

    def new_topics(self, count: int, partitions: int = 3, **config: object) -> list[str]:
        """Make topics and return their names."""
        topics = [
            NewTopic(
                f"events-{uuid.uuid4().hex[:12]}",
                partitions,
                config={key.replace("_", "."): str(value) for key, value in config.items()},
            )
            for _ in range(count)
        ]
        for made in self._admin.create_topics(topics).values():
            made.result(_PATIENCE_SECONDS)
        return [topic.topic for topic in topics]

    def refuse(self, code: int, **choice: Any) -> Fault:
        """Answer with an error. What may be answered after it was done (a timeout) is done."""
        return self._begin("refuse", code=code, **choice)

    def blame(self, code: int, **choice: Any) -> Fault:
        """Refuse batches, and say which records with ``contains`` are to blame (KIP-467)."""
        return self._begin("blame", code=code, **choice)

    def drop(self, **choice: Any) -> Fault:
        """Cut the connection instead of an answer."""
        return self._begin("drop", **choice)

    def delay(self, seconds: float, **choice: Any) -> Fault:
        """Answer later, as a broker that throttles."""
        return self._begin("delay", millis=round(seconds * 1000), **choice)

    def fence(self, **choice: Any) -> Fault:
        """Answer Metadata without brokers, as one does that its controller has just fenced."""
        return self._begin("fence", **choice)

    def shuffle_leaders(self) -> None:
        """Elect another leader for every partition."""
        self.ask(do="shuffle")

    def ask(self, **command: Any) -> dict[str, Any]:
        """Give a command to the program, and return its answer."""
        with self._lock:
            stdin, stdout = self._process.stdin, self._process.stdout
            assert stdin is not None
            assert stdout is not None
            stdin.write(json.dumps(command).encode() + b"\n")
            stdin.flush()
            answer: dict[str, Any] = json.loads(stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer

    def close(self) -> None:
        """End the process. Whoever is connected loses the connection."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _begin(
        self,
        what: str,
        *,
        topic: str = "",
        partitions: Sequence[int] | None = None,
        contains: bytes | None = None,
        at_least: int = 0,
        key: int = PRODUCE,
        count: int = 1,
        **command: Any,
    ) -> Fault:
        choice = {"topic": topic, "partitions": partitions, "key": key, "count": count}
        if contains is not None:
            choice["contains"] = base64.b64encode(contains).decode()
        answer = self.ask(do=what, atleast=at_least, **choice, **command)
        return Fault(self, answer["fault"])


@dataclass(frozen=True)
class Fault:
    """One fault of a `FakeKafka`; as a context it ends with its block."""

    kafka: FakeKafka
    number: int

    @property
    def hits(self) -> int:
        """How many requests it broke so far."""
        return int(self.kafka.ask(do="hits", fault=self.number)["hits"])

    def wait(self, hits: int = 1, seconds: float = _PATIENCE_SECONDS) -> None:
        """Wait until it broke so many requests."""
        deadline = time.monotonic() + seconds
        while self.hits < hits:
            assert time.monotonic() < deadline, f"the fault broke {self.hits} requests of {hits}"
            time.sleep(0.02)

    def clear(self) -> int:
        """End the fault, and return how many requests it broke."""
        return int(self.kafka.ask(do="clear", fault=self.number)["hits"])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.clear()
