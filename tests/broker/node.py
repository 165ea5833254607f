"""One Kafka process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.broker import jars

_LEASH = Path(__file__).with_name("leash.py")
_STOP_SECONDS = 20.0
_JAVA = (
    "-Xshare:auto",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
)
# The broker is up in two thirds of the time, and slower under load.
_QUICK = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
# As Kafka's own start script has it: the serial collector stops the broker for 50 ms at a time.
_SERVING = ("-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35")


class Node:
    """A broker and controller as a process of its own, which may be killed and started again.

    Parameters
    ----------
    number : int
        Its id in the cluster, from 1.
    folder : Path
        Where its properties, its data and its logs go.
    properties : Mapping[str, object]
        The broker's configuration.
    heap_megabytes : int
        Java's heap.
    quick : bool
        Compile less: quicker to start, slower under load.
    """

    def __init__(
        self,
        number: int,
        folder: Path,
        properties: Mapping[str, object],
        *,
        heap_megabytes: int = 256,
        quick: bool = True,
    ) -> None:
        self.number = number
        self._folder = folder
        self._starts = 0
        self._process: subprocess.Popen[bytes] | None = None
        heap = f"{heap_megabytes}m"
        options = [f"-Xms{heap}", f"-Xmx{heap}", *_JAVA, *(_QUICK if quick else _SERVING)]
        self._java = ["java", "-cp", jars.class_path(), *options]
        folder.mkdir(parents=True)
        self._properties = folder / "server.properties"
        settings = {"node.id": number, "log.dirs": folder / "data", **properties}
        self._properties.write_text("".join(f"{key}={settings[key]}\n" for key in settings))

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def format(self, cluster_id: str, *options: str) -> None:
        """Prepare the storage, once, with Kafka's own tool."""
        # In one piece: an id may begin with a dash.
        the_id = f"--cluster-id={cluster_id}"
        tool = ["kafka.tools.StorageTool", "format", the_id, "-c", str(self._properties)]
        command = [*self._java, "-XX:TieredStopAtLevel=1", *tool, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"the storage was not formatted:\n{done.stdout}{done.stderr}")

    def start(self) -> None:
        """Start the process; it serves clients some seconds later."""
        assert not self.running
        self._starts += 1
        leash = [sys.executable, str(_LEASH), str(os.getpid())]
        command = [*leash, *self._java, "kafka.Kafka", str(self._properties)]
        with open(self._log(), "wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kill the process, as a failing machine would (SIGKILL)."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def pause(self) -> None:
        """Stop the process in its tracks (SIGSTOP): connections stay open, nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on."""
        self._signal(signal.SIGCONT)

    def write_threads(self) -> None:
        """Have Java write to the log what each of its threads does (SIGQUIT)."""
        if self.running:
            self._signal(signal.SIGQUIT)

    def terminate(self) -> None:
        """Ask the process to shut down."""
        if self.running:
            self._signal(signal.SIGCONT)
            self._signal(signal.SIGTERM)

    def wait_gone(self) -> None:
        """Wait for the end of a process that was told to, and insist after a while."""
        if self._process is None:
            return
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def log_tail(self, lines: int = 40) -> str:
        """Return the end of the log since the last start."""
        if not self._starts:
            return "(never started)"
        text = self._log().read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def _log(self) -> Path:
        return self._folder / f"start-{self._starts}.log"

    def _signal(self, number: int) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, number)
