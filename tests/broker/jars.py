"""Apache Kafka's jars, from Maven Central by the pom beside this file, cached for the user."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

POM = Path(__file__).with_name("pom.xml")


class MissingError(Exception):
    """Java, Maven or the jars cannot be had; the message says which."""


def version() -> str:
    """Return the version of Kafka that the pom names."""
    found = re.search(r"kafka_2\.13</artifactId>\s*<version>([^<]+)</version>", POM.read_text())
    assert found is not None
    return found[1]


def folder() -> Path:
    """Return the folder of the jars; another pom has another one."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:8]
    return cache / "atomwire" / f"kafka-{version()}-{digest}"


def class_path() -> str:
    """Return Java's class path of a Kafka broker, after fetching what is not in the cache.

    Raises
    ------
    MissingError
        There is no Java, or the jars are not cached and cannot be fetched.
    """
    if shutil.which("java") is None:
        raise MissingError("java is not installed (Debian, Ubuntu: apt-get install openjdk-17-jre)")
    jars = folder()
    if not jars.is_dir():
        _fetch(jars)
    return str(jars / "*")


def _fetch(jars: Path) -> None:
    if shutil.which("mvn") is None:
        raise MissingError("mvn is not installed (Debian, Ubuntu: apt-get install maven)")
    jars.parent.mkdir(parents=True, exist_ok=True)
    # Renamed when complete, so that nobody meets half of it.
    with tempfile.TemporaryDirectory(dir=jars.parent) as scratch:
        lib = Path(scratch) / "lib"
        command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
        options = ["-DincludeScope=runtime", f"-DoutputDirectory={lib}"]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise MissingError(f"mvn cannot fetch Kafka {version()}:\n{done.stdout}{done.stderr}")
        try:
            lib.rename(jars)
        except OSError:
            if not jars.is_dir():  # else somebody else was quicker
                raise
