"""The W3C trace context of the active span travels in the message's headers."""

from types import SimpleNamespace

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from atomwire import EventBus
from atomwire.bus import telemetry
from atomwire.bus.log import RateLimitedLog
from tests.support.bus import TOPIC, event, read

TRACE_ID = 0x4BF92F3577B34DA6A3CE929D0E0E4736
SPAN_ID = 0x00F067AA0BA902B7


def span(sampled=True):
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    return NonRecordingSpan(SpanContext(TRACE_ID, SPAN_ID, is_remote=False, trace_flags=flags))


def test_an_active_span_becomes_a_header(embedded_broker):
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, headers=True) as bus:
        with trace.use_span(span()):
            bus.publish(event())
        with trace.use_span(span(sampled=False)):
            bus.publish(event())
        bus.publish(event())

    headers = [dict(message.headers()) for message in read(embedded_broker, 3)]
    # The layout of https://www.w3.org/TR/trace-context, version 00.
    assert [each.get("traceparent") for each in headers] == [
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
        None,
    ]


def test_without_headers_a_span_changes_nothing(embedded_broker):
    with (
        EventBus(embedded_broker.bootstrap_servers, TOPIC) as bus,
        trace.use_span(span()),
    ):
        bus.publish(event())

    (message,) = read(embedded_broker, 1)
    assert message.headers() is None


class FailingTracer:
    def get_current_span(self):
        raise RuntimeError("no exporter")


class OddTracer:
    def get_current_span(self):
        return self

    def get_span_context(self):
        return SimpleNamespace(is_valid=True, trace_id="no number", span_id=1, trace_flags=1)


@pytest.mark.parametrize("tracer", [FailingTracer(), OddTracer()])
def test_a_failing_tracer_costs_the_header_alone(embedded_broker, monkeypatch, caplog, tracer):
    monkeypatch.setattr(telemetry, "_trace", tracer)
    monkeypatch.setattr(telemetry, "_log", RateLimitedLog())
    with EventBus(embedded_broker.bootstrap_servers, TOPIC, headers=True) as bus:
        for _ in range(3):
            bus.publish(event())
    assert [message.headers() for message in read(embedded_broker, 3)] == [[("type", b"1")]] * 3
    assert len([line for line in caplog.messages if "OpenTelemetry" in line]) == 1
