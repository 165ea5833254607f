"""What a user would pick instead, each fed the same cells."""
