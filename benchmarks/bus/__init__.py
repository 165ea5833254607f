"""The bus beside raw confluent-kafka and the Go service's library: `python -m benchmarks.bus`."""
