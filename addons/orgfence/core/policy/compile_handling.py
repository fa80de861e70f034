"""From the global keys of a policy, each of which one file has, to how inspections are told and bodies read."""

from collections.abc import Sequence
from typing import Any

from orgfence.core.policy.faults import Faults, Place
from orgfence.core.policy.merged import File
from orgfence.core.policy.model import GLOBAL_KEYS
from orgfence.core.ruleset import Handling

# Every request that waits for its body may hold so much.
_MAX_BODY_LIMIT = 64 * 1024 * 1024


def compile_handling(files: Sequence[File], faults: Faults) -> Handling:
    """Return what the files say, and the defaults for what they do not."""
    said: dict[str, Any] = {}
    places: dict[str, Place] = {}
    for file in files:
        for key in GLOBAL_KEYS:
            value = getattr(file.model, key)
            if value is None:
                continue
            place = file.tree.key(key).place
            first = places.setdefault(key, place)
            if first is not place:
                faults.add(
                    place, f"`{key}` is for the whole policy, and {first.seen_from(place)} has it. Keep one of them"
                )
            said.setdefault(key, value)
    held_bodies_limit = int(said.get("held_bodies_limit", Handling().held_bodies_limit))
    body_limit = int(said.get("body_limit", Handling().body_limit))
    if not 0 < body_limit <= _MAX_BODY_LIMIT:
        faults.add(places["body_limit"], "no limit to work with. Write one from `1B` to `64MiB`")
    elif held_bodies_limit < body_limit:
        faults.add(places["held_bodies_limit"], "less than `body_limit`, so that no body of that size could be read")
    return Handling(
        disclose_orgs=said.get("disclose") != "reason",
        annotate_request=said.get("annotate_request", True),
        log_repeat=said.get("log_repeat", Handling().log_repeat),
        body_limit=body_limit,
        held_bodies_limit=held_bodies_limit,
    )
