"""`orgfence demo`: an issuer, a multi-org API and the real proxy on this machine, and what an app meets there.

A reader starts at `story.py`.
"""


class DemoError(Exception):
    """Something that the demo tells of did not happen; in words for the person who runs it."""


def expect(so: bool, otherwise: str) -> None:
    """Raise a `DemoError` that says this unless something is so: what is told must have happened."""
    if not so:
        raise DemoError(otherwise)
