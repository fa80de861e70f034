"""Stops API calls that carry a token of the wrong org."""
