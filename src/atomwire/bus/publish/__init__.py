"""The way in: events from their publisher to the broker."""
