"""Where librdkafka is found."""

import subprocess
import sys
from pathlib import Path

import confluent_kafka.cimpl

from atomwire import _native
from atomwire._native import missing_from


def test_it_is_the_one_of_confluent_kafka():
    assert missing_from(confluent_kafka.cimpl.__file__) is None


def test_what_is_missing_is_named():
    # Loaded, and not linked with librdkafka.
    assert missing_from(_native.__file__) == "rd_kafka_conf_new"
    # Not loaded.
    assert missing_from("nowhere.so") == "nowhere.so"


WITHOUT_KAFKA = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("atomwire._native", sys.argv[1])
# The package's own face brings the bus along; here it is the extension alone.
sys.modules["atomwire"] = package = type(sys)("atomwire")
package.__path__ = [sys.argv[2]]
sys.modules["confluent_kafka"] = None
native = importlib.util.module_from_spec(spec)
spec.loader.exec_module(native)
assert native.peek_tenant_id(native.Encoder("acme").cell(1, 1.0)) == "acme"
try:
    native.ProducerSession(native.SendQueue(
        linger_ms=0, max_event_bytes=1_000, queue_size=1, queue_bytes=1_000, disk=False,
        durable=False, drop=False, expire_ms=0, cell_headers=[]), {}, "topic")
except ImportError as error:
    print(error)
"""


def test_the_codec_needs_no_kafka():
    path = Path(_native.__file__)
    found = subprocess.run(
        [sys.executable, "-c", WITHOUT_KAFKA, str(path), str(path.parent)],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "confluent_kafka" in found.stdout
