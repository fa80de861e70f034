"""What the log says when the policy's files have changed."""

from collections.abc import Sequence

import structlog

from orgfence.core.ruleset import Ruleset

#: Those who mend these see the next ones afterwards.
MAX_FAULTS = 10

#: Of the rules that have come or gone.
MAX_RULES = 10

#: What to do about a failure.
MEND = "Mend what is wrong: the files are read again twice a second, and no restart is needed."


def policy_reloaded(
    ruleset: Ruleset, *, files: int, seconds: float, added: Sequence[str], removed: Sequence[str]
) -> None:
    """Tell that another policy is in force, and which rules have come and gone: one may be gone by mistake."""
    fields: dict[str, object] = {}
    for name, rules in (("added", added), ("removed", removed)):
        if rules:
            fields |= {name: list(rules[:MAX_RULES]), f"{name}_count": len(rules)}
    structlog.get_logger().info(
        "policy_reloaded",
        generation=ruleset.generation,
        rules=len(ruleset.rules),
        files=files,
        seconds=round(seconds, 3),
        **fields,
    )


def policy_reload_failed(generation: str, faults: Sequence[str], *, console: bool) -> None:
    """Tell that the files hold what cannot be used, and that this generation stays in force."""
    log = structlog.get_logger()
    shown = first_faults(faults)
    # For a person each on a line of its own, which a terminal or an editor can follow to the place.
    fields = {"faults": len(faults)} if console else {"faults": shown, "fault_count": len(faults)}
    log.error("policy_reload_failed", generation=generation, **fields, advice=f"This generation stays in force. {MEND}")
    if console:
        for fault in shown:
            log.error(fault)
        if len(shown) < len(faults):
            log.error(f"and {len(faults) - len(shown)} more")


def policy_restored(generation: str) -> None:
    """Tell that after a failure the files hold again what is in force."""
    structlog.get_logger().info("policy_restored", generation=generation)


def first_faults(faults: Sequence[str]) -> list[str]:
    """Return as many faults as are shown at once."""
    return list(faults[:MAX_FAULTS])
