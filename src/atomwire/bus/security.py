"""What a client proves, and whom it trusts: settings as librdkafka's properties.

`values` are settings by their names; the class of the settings is not known here.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping
from typing import Any, Final

from atomwire.bus.errors import SettingsError
from atomwire.bus.log import RateLimitedLog

__all__ = ["PROPERTIES", "check_security", "security_properties", "trouble_with_file"]

# The setting, and its property there.
PROPERTIES: Final = {
    "security_protocol": "security.protocol",
    "sasl_mechanism": "sasl.mechanism",
    "sasl_username": "sasl.username",
    "sasl_password": "sasl.password",
    "tls_ca_location": "ssl.ca.location",
    "tls_certificate_location": "ssl.certificate.location",
    "tls_key_location": "ssl.key.location",
    "tls_key_password": "ssl.key.password",
}
_once = RateLimitedLog(interval=math.inf)


def check_security(values: Mapping[str, Any]) -> None:
    """Raise `SettingsError` when settings do not go together."""
    sasl = {name for name in PROPERTIES if name.startswith("sasl_") and values[name]}
    for name in ("sasl_mechanism", "sasl_username", "sasl_password"):
        if sasl and name not in sasl:
            raise SettingsError(f"{name}: is needed beside {', '.join(sorted(sasl))}")
    protocol = values["security_protocol"]
    if sasl and protocol in ("plaintext", "ssl"):
        raise SettingsError(
            f"security_protocol={protocol!r}: does not take {', '.join(sorted(sasl))}; "
            "allowed are sasl_ssl, sasl_plaintext"
        )
    if not sasl and protocol in ("sasl_ssl", "sasl_plaintext"):
        raise SettingsError(f"security_protocol={protocol!r}: needs sasl_mechanism, sasl_username")


def security_properties(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties; the protocol follows from the others when it is not given."""
    given = {name: os.fspath(values[name]) for name in PROPERTIES if values[name] is not None}
    if given and "security_protocol" not in given:
        given["security_protocol"] = "sasl_ssl" if "sasl_username" in given else "ssl"
    if given.get("security_protocol") == "sasl_plaintext":
        _once.log(
            logging.WARNING,
            "security_protocol='sasl_plaintext': user, password and events travel unencrypted; "
            "use sasl_ssl wherever others can reach the network",
        )
    return {PROPERTIES[name]: value for name, value in given.items()}


def trouble_with_file(path: str) -> str | None:
    """Return what is wrong with a file that should be PEM, None when nothing is seen."""
    try:
        with open(path, "rb") as file:
            if b"-----BEGIN " in file.read():
                return None
    except OSError as error:
        return f"{error.strerror}; give a file in PEM that this process may read"
    return "is not in PEM; convert it, openssl can"
