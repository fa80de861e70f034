"""Standard input, output and error that are there, also where the process was started without them."""

import os
import sys


def hold_standard_streams() -> None:
    """Put the null device in the place of those that are closed.

    The next file opened would else be number 2: a client's connection, to which whatever a library in C has to say
    would be written.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != descriptor:
                os.dup2(null, descriptor, inheritable=True)
                os.close(null)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))
