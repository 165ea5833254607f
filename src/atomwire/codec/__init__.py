"""The codec: columns or a cell to bytes, and bytes to columns. It knows no Kafka."""
