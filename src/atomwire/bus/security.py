"""Security settings as librdkafka's properties, and texts without the secrets in them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from atomwire.bus.errors import SettingsError

if TYPE_CHECKING:
    from atomwire.bus.settings import BusSettings

__all__ = ["PROPERTIES", "check_security", "security_properties", "without_secrets"]

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
_SECRET_WORDS = ("password", "secret", "username", "oauthbearer", "pem", "token")


def check_security(settings: BusSettings) -> None:
    """Raise `SettingsError` when settings do not go together."""
    sasl = {name for name in PROPERTIES if name.startswith("sasl_") and getattr(settings, name)}
    for name in ("sasl_mechanism", "sasl_username", "sasl_password"):
        if sasl and name not in sasl:
            raise SettingsError(f"{name}: is needed beside {', '.join(sorted(sasl))}")
    protocol = settings.security_protocol
    if sasl and protocol in ("plaintext", "ssl"):
        raise SettingsError(
            f"security_protocol={protocol!r}: does not take {', '.join(sorted(sasl))}; "
            "allowed are sasl_ssl, sasl_plaintext"
        )
    if not sasl and protocol in ("sasl_ssl", "sasl_plaintext"):
        raise SettingsError(f"security_protocol={protocol!r}: needs sasl_mechanism, sasl_username")


def security_properties(settings: BusSettings) -> dict[str, Any]:
    """Return the properties; the protocol follows from the others when it is not given."""
    values = {name: getattr(settings, name) for name in PROPERTIES}
    given = {name: os.fspath(value) for name, value in values.items() if value is not None}
    if given and "security_protocol" not in given:
        given["security_protocol"] = "sasl_ssl" if "sasl_username" in given else "ssl"
    return {PROPERTIES[name]: value for name, value in given.items()}


def without_secrets(text: str, properties: Mapping[str, Any]) -> str:
    """Return `text` with every secret among the properties' values blotted out."""
    for name, value in properties.items():
        secret = str(value)
        if secret and any(word in name for word in _SECRET_WORDS):
            text = text.replace(secret, "***")
    return text
