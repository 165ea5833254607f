"""Certificates for one test run: an authority, and a broker's certificate that it signed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.broker.jars import MissingError

STORE_PASSWORD = "store-secret"


class Certificates(NamedTuple):
    """Files. A client trusts `authority`; the broker's key and certificate are in `keystore`."""

    authority: Path
    stranger: Path
    keystore: Path


def make(folder: Path) -> Certificates:
    """Make certificates that are valid for a day, with openssl.

    Raises
    ------
    MissingError
        openssl is not installed.
    """
    if shutil.which("openssl") is None:
        raise MissingError("openssl is not installed (Debian, Ubuntu: apt-get install openssl)")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("authority", "stranger"):
        _openssl(
            folder,
            f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN={name}"
            f" -keyout {name}.key -out {name}.pem",
        )
    _openssl(
        folder,
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=broker"
        " -keyout broker.key -out broker.csr",
    )
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    _openssl(
        folder,
        "x509 -req -in broker.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 1"
        " -extfile names -out broker.pem",
    )
    _openssl(
        folder,
        "pkcs12 -export -in broker.pem -inkey broker.key -certfile authority.pem -name broker"
        f" -passout pass:{STORE_PASSWORD} -out broker.p12",
    )
    return Certificates(folder / "authority.pem", folder / "stranger.pem", folder / "broker.p12")


def _openssl(folder: Path, arguments: str) -> None:
    command = ["openssl", *arguments.split()]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
