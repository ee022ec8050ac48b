"""A use case that the tests compile."""
