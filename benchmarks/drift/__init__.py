"""How often the drift checks cry wolf, and what they see: `python -m benchmarks.drift`.

Not one of the suites of `make bench`: it takes an hour of two cores.
"""
