"""The settings of a bus and of a consumer: one frozen value, checked when it is made."""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self

from atomwire.bus.errors import SettingsError
from atomwire.bus.security import PROPERTIES, check_security
from atomwire.bus.setting_rules import (
    Flag,
    Number,
    OneOf,
    Optional,
    Place,
    Properties,
    Rule,
    Secret,
)

__all__ = ["RESERVED", "BusSettings"]

_PREFIX = "ATOMWIRE_"

# Where to connect is an argument of the bus, not a setting; the command reads these two itself.
_ADDRESS_VARIABLES = frozenset({"ATOMWIRE_BROKERS", "ATOMWIRE_TOPIC"})

_PROFILES: Final[dict[str, dict[str, int]]] = {
    "batched": {"linger_ms": 10, "batch_size": 100},
    "interactive": {"linger_ms": 0, "batch_size": 100},
    "throughput": {"linger_ms": 50, "batch_size": 10_000},
}

# Typed Any: the field holds the profile's number once the settings are made, never None.
_BY_PROFILE: Final[Any] = None
_BY_SPOOL_DIR: Final[Any] = None

# Properties that cannot be given by their own names, and why.
RESERVED: Final = {
    "bootstrap.servers": "is the argument brokers",
    "group.id": "is the argument group_id",
    "linger.ms": "is the setting linger_ms",
    "queue.buffering.max.ms": "is the setting linger_ms",
    "batch.num.messages": "is the setting batch_size",
    "compression.type": "is the setting compression",
    "compression.codec": "is the setting compression",
    "acks": "is the setting acks",
    "request.required.acks": "is the setting acks",
    "enable.idempotence": "follows from the setting acks",
    "queue.buffering.max.messages": "is the setting queue_size",
    "queue.buffering.max.kbytes": "is the setting queue_bytes",
    "message.max.bytes": "is the setting max_event_bytes",
    "batch.size": "follows from the setting max_event_bytes",
    "enable.gapless.guarantee": "follows from the setting acks",
    "max.in.flight.requests.per.connection": "follows from the setting acks",
    "max.in.flight": "follows from the setting acks",
    "queuing.strategy": "is fixed by the bus, which keeps the order",
    "transactional.id": "is not for the bus, which has no transactions",
    "auto.offset.reset": "is the setting auto_offset_reset",
    "group.protocol": "is the setting group_protocol",
    "partitioner": "is part of the wire contract and cannot be chosen",
    "enable.auto.commit": "stays off: commit a batch with EventBatch.commit()",
    "enable.auto.offset.store": "stays off: commit a batch with EventBatch.commit()",
    "delivery.report.only.error": "is fixed by the bus",
    "statistics.interval.ms": "is fixed by the bus",
    "log.queue": "is fixed by the bus",
    "logger": "is fixed by the bus: configure the logger 'atomwire' of logging",
    "sasl.mechanisms": "is the setting sasl_mechanism",
    **{name: f"is the setting {setting}" for setting, name in PROPERTIES.items()},
}


def _setting(default: Any, rule: Rule) -> Any:
    return field(default=default, metadata={"rule": rule})


def _hidden(rule: Rule) -> Any:
    return field(default=None, repr=False, metadata={"rule": Optional(rule)})


@dataclass(frozen=True, kw_only=True)
class BusSettings:
    """How an `EventBus` publishes and an `EventConsumer` reads.

    Parameters
    ----------
    profile : {"batched", "interactive", "throughput"}
        The trade of latency for batching: sets `linger_ms` and `batch_size` where they are not
        given. "batched" gathers up to 10 ms or 100 events, "interactive" sends at once,
        "throughput" gathers up to 50 ms or 10,000 events.
    linger_ms : float
        Milliseconds that an event may wait for others of its partition.
    batch_size : int
        Events of one partition that are sent without waiting any longer.
    compression : {"lz4", "snappy", "zstd", "gzip", "none"}
        Compression of a batch.
    acks : {"all", "1", "0"}
        Who acknowledges an event: all in-sync replicas, the leader, nobody. Only "all" makes the
        producer idempotent; less than that can lose events in silence when a broker fails.
    queue_size : int
        Events that may wait for the broker in memory.
    queue_bytes : int
        Bytes of events that may wait in memory, for the broker and on their way to the disk. Each
        event counts with its key, its headers and 512 bytes of overhead.
    on_full : {"spool", "raise", "block", "drop"}
        What to do about an event when the queue is full: let it wait on the disk (the default with
        a `spool_dir`); raise `BusFullError` at once (the default without); wait for room, and raise
        after `block_seconds`; drop and count it.
    block_seconds : float
        Longest wait of ``on_full="block"``; and of ``"spool"``, for a disk that does not keep up.
    spool_dir : str or PathLike, optional
        A directory for events that wait for the broker. One directory serves one cluster, and any
        number of processes.
    spool_bytes : int
        Largest size of a process's file there.
    durable : bool
        Write every event to the spool before `publish` returns, and delete it when the broker has
        acknowledged it: a killed process's events are delivered by the next.
    synchronous : {"normal", "full"}
        When the spool waits for its disk: "normal" leaves that to the operating system, and
        survives the end of the process; "full" waits at every commit, and survives a power cut.
    exit_seconds : float
        Longest wait for the broker when the process ends with the bus open.
    max_event_bytes : int
        Largest message that the broker takes (its `message.max.bytes`).
    headers : bool
        Send the event's type and trace id as Kafka headers too.
    auto_offset_reset : {"earliest", "latest"}
        Where a consumer group without a committed offset begins.
    group_protocol : {"classic", "consumer"}
        How a group agrees on partitions: "consumer" (KIP-848) is faster and needs Kafka 4.
    security_protocol : {"plaintext", "ssl", "sasl_plaintext", "sasl_ssl"}, optional
        Follows from the settings below when it is not given.
    sasl_mechanism : {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}, optional
        How the user and the password are proven.
    sasl_username, sasl_password : str, optional
        They appear in no repr, log line or error.
    tls_ca_location, tls_certificate_location, tls_key_location : str, optional
        Files in PEM: who may have signed the broker's certificate, and the client's own.
    tls_key_password : str, optional
        Of the client's key.
    librdkafka : Mapping[str, str | int | float | bool]
        Any other property of librdkafka (timeouts, say), by its name there. It never appears in a
        repr. Setting `message.timeout.ms` makes the bus give up on old events, and so allows
        gaps in a tenant's order.

    Raises
    ------
    SettingsError
        A value is not allowed. The message names the field, the value and what is allowed.
    """

    profile: Literal["batched", "interactive", "throughput"] = _setting(
        "batched", OneOf(tuple(_PROFILES))
    )
    linger_ms: float = _setting(_BY_PROFILE, Number(0, 900_000, whole=False))
    batch_size: int = _setting(_BY_PROFILE, Number(1, 1_000_000))
    compression: Literal["lz4", "snappy", "zstd", "gzip", "none"] = _setting(
        "lz4", OneOf(("lz4", "snappy", "zstd", "gzip", "none"))
    )
    acks: Literal["all", "1", "0"] = _setting("all", OneOf(("all", "1", "0")))
    queue_size: int = _setting(100_000, Number(1, 2_147_483_647))
    queue_bytes: int = _setting(128 * 2**20, Number(100_000, 2**40))
    max_event_bytes: int = _setting(1_000_000, Number(1_000, 1_000_000_000))
    on_full: Literal["spool", "raise", "block", "drop"] = _setting(
        _BY_SPOOL_DIR, OneOf(("spool", "raise", "block", "drop"))
    )
    block_seconds: float = _setting(5.0, Number(0, 86_400, whole=False))
    spool_dir: str | os.PathLike[str] | None = _setting(None, Optional(Place()))  # noqa: RUF009
    spool_bytes: int = _setting(10 * 2**30, Number(100_000, 2**46))
    durable: bool = _setting(False, Flag())
    synchronous: Literal["normal", "full"] = _setting("normal", OneOf(("normal", "full")))
    exit_seconds: float = _setting(5.0, Number(0, 3_600, whole=False))
    headers: bool = _setting(False, Flag())
    auto_offset_reset: Literal["earliest", "latest"] = _setting(
        "earliest", OneOf(("earliest", "latest"))
    )
    group_protocol: Literal["classic", "consumer"] = _setting(
        "classic", OneOf(("classic", "consumer"))
    )
    security_protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] | None = _setting(
        None, Optional(OneOf(("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")))
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = _setting(
        None, Optional(OneOf(("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")))
    )
    sasl_username: str | None = _hidden(Secret())
    sasl_password: str | None = _hidden(Secret())
    tls_ca_location: str | os.PathLike[str] | None = _setting(None, Optional(Place()))  # noqa: RUF009
    tls_certificate_location: str | os.PathLike[str] | None = _setting(None, Optional(Place()))  # noqa: RUF009
    tls_key_location: str | os.PathLike[str] | None = _setting(None, Optional(Place()))  # noqa: RUF009
    tls_key_password: str | None = _hidden(Secret())
    librdkafka: Mapping[str, str | int | float | bool] = field(
        default_factory=dict, repr=False, hash=False, metadata={"rule": Properties(RESERVED)}
    )
    _left_open: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _RULES["profile"].check("profile", self.profile)
        defaults: dict[str, object] = {
            **_PROFILES[self.profile],
            "on_full": "raise" if self.spool_dir is None else "spool",
        }
        left_open = {name for name in defaults if getattr(self, name) is None}
        for name in left_open:
            object.__setattr__(self, name, defaults[name])
        for name, rule in _RULES.items():
            rule.check(name, getattr(self, name))
        object.__setattr__(self, "librdkafka", dict(self.librdkafka))
        object.__setattr__(self, "_left_open", frozenset(left_open))
        self._check_together()

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some settings changed.

        A new `profile` moves `linger_ms` and `batch_size` along, and `spool_dir` moves `on_full`,
        unless they were given.

        Raises
        ------
        SettingsError
            There is no such setting, or the value is not allowed.
        """
        for name in changes:
            if name not in _RULES:
                raise SettingsError(_unknown("setting", name, _RULES))
        given = {name: getattr(self, name) for name in _RULES}
        for name in self._left_open:
            del given[name]
        return type(self)(**(given | changes))

    def _check_together(self) -> None:
        if self.spool_dir is None:
            if self.on_full == "spool":
                raise SettingsError("on_full='spool': needs a spool_dir")
            if self.durable:
                raise SettingsError("durable=True: needs a spool_dir")
            if self.synchronous == "full":
                raise SettingsError("synchronous='full': needs a spool_dir")
        elif self.on_full != "spool":
            raise SettingsError(
                f"on_full={self.on_full!r}: with a spool_dir, only 'spool' is allowed"
            )
        check_security(vars(self))

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the settings from environment variables.

        Each setting is ``ATOMWIRE_`` and its name in capitals, such as ``ATOMWIRE_LINGER_MS=5``;
        ``ATOMWIRE_LIBRDKAFKA`` is a JSON object. ``ATOMWIRE_BROKERS`` and ``ATOMWIRE_TOPIC`` are
        passed over: they are arguments of the bus.

        Parameters
        ----------
        environ : Mapping[str, str], optional
            The variables; by default those of the process.

        Raises
        ------
        SettingsError
            A variable with the prefix is no setting, or its value is not allowed.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for variable, text in environ.items():
            if not variable.startswith(_PREFIX) or variable in _ADDRESS_VARIABLES:
                continue
            rule = _VARIABLES.get(variable)
            if rule is None:
                known = [*_VARIABLES, *sorted(_ADDRESS_VARIABLES)]
                raise SettingsError(_unknown("environment variable", variable, known))
            value = rule.parse(variable, text)
            rule.check(variable, value)
            values[variable.removeprefix(_PREFIX).lower()] = value
        return cls(**values)


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
    return f"unknown {what} {name}: {hint}"


_RULES: Final[dict[str, Rule]] = {
    each.name: each.metadata["rule"] for each in dataclasses.fields(BusSettings) if each.init
}
_VARIABLES: Final[dict[str, Rule]] = {_PREFIX + name.upper(): rule for name, rule in _RULES.items()}
