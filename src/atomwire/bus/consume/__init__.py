"""The way out: messages from the broker to columns."""
