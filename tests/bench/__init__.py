"""Benchmarks: ratios from one run, not part of the tests."""
