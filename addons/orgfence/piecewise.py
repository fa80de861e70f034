"""Frees large structures in pieces: to free a whole policy at once would hold the interpreter's lock for too long."""

import gc
import sys
from collections.abc import Iterable
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType, TracebackType

# From a policy, or a frame of the loader, to the parts of each of its rules.
_DEPTH = 8
# Each costs some microseconds; further ones are freed together with what holds them.
_MAX_PARTS = 1_000_000
_SHARED = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType)


def free(roots: list[object]) -> None:
    """Empty the list, and free in pieces what nothing else refers to.

    Nothing is changed that somebody else may still see. The parts are only held for as long as it takes to let go of
    them one by one, from the outermost on, so that none takes a large part with it.
    """
    held = roots.copy()
    roots.clear()
    _add_parts(held)
    held.reverse()
    while held:
        held.pop()


def free_frames(error: BaseException) -> None:
    """Free in pieces what the functions held that an error has come through; it has no traceback any more."""
    frames = list(_frames(error.__traceback__))
    error.__traceback__ = None
    free(frames)


def free_unused(retired: list[object]) -> None:
    """Free those that only this list refers to, and take them out of it."""
    # Referred to by the list and by the call.
    unused = [number for number in range(len(retired)) if sys.getrefcount(retired[number]) == 2]
    for number in reversed(unused):
        free([retired.pop(number)])


def _frames(traceback: TracebackType | None) -> Iterable[object]:
    # The first is the caller's, which is still running.
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
        yield traceback.tb_frame


def _add_parts(held: list[object]) -> None:
    """Add what they refer to, and what that refers to in its turn; parts stand behind what they are part of."""
    seen = {id(part) for part in held}
    start = 0
    for _ in range(_DEPTH):
        end = len(held)
        for number in range(start, end):
            for part in gc.get_referents(held[number]):
                if id(part) not in seen and gc.is_tracked(part) and not isinstance(part, _SHARED):
                    seen.add(id(part))
                    held.append(part)
            if len(held) > _MAX_PARTS:
                return
        start = end
