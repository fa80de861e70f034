"""`orgfence demo`: an issuer, a multi-org API and the real proxy on this machine, and three requests between them.

A reader starts at `story.py`.
"""


class DemoError(Exception):
    """Something that the demo tells of did not happen; in words for the person who runs it."""
