"""Memory stays flat while events are published and consumed, and while they are refused."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.bus import nobody

AT_WORK = Path(__file__).with_name("bus_at_work.py")


def run(work, address):
    command = [sys.executable, AT_WORK, work, address]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    "work", ["publishing", "writing", "coming_and_going", "refusing", "consuming"]
)
def test_with_a_broker(embedded_broker, work):
    embedded_broker.create_topic("cells")
    run(work, embedded_broker.bootstrap_servers)


def test_giving_up_without_one():
    with nobody() as address:
        run("giving_up", address)
