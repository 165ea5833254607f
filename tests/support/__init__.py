"""What the tests of the codec share."""
