"""`Decision`: what one rule says of one request. `Inspection`: all decisions on a request.

A decision holds its verdict and reason. What is done about it follows from its rule's enforcement, so "would have
blocked" comes free.
"""

from typing import NamedTuple, Self

from orgfence.core.oauth.exchange import Exchange, Fault
from orgfence.core.reason import ALLOWING, Action, Enforcement, Reason, Verdict, choose_action
from orgfence.core.rule import Rule
from orgfence.core.tokens.token import Token


class Decision(NamedTuple):
    """What one rule says of one request, and what it saw. An allow is one shared constant a rule."""

    #: None where no rule made it: `no_rule`, `own_address`, and an `internal_error` before any rule was known.
    rule: Rule | None
    verdict: Verdict
    reason: Reason
    #: The path template that matched, as the policy's author wrote it.
    path_template: str = ""
    #: The orgs that the request is about, normalised, in the order of the rule's sources.
    requested: tuple[bytes, ...] = ()
    #: The token as it was read; None where none was.
    token: Token | None = None
    #: Where only another reading of the path fails: the path so read, segments joined by `/`.
    read_as: bytes = b""
    #: Where only another reading of a name fails: the name as it was sent, and as what some servers read it.
    other_name: tuple[bytes, bytes] | None = None
    #: The canonical name of the header field that puts another host in the place of the request's own, where only that
    #: host fails.
    override: bytes = b""
    #: The exception behind `internal_error`.
    error: Exception | None = None
    #: What is done with a decision that no rule made.
    imposed: Enforcement = Enforcement.BLOCK
    #: The OAuth exchange that it is about; None: it is about an API call.
    exchange: Exchange | None = None
    #: Where the token comes from, in a sentence, where that was seen and may tell why it is wrong.
    lineage: str = ""

    @property
    def faults(self) -> tuple[Fault, ...]:
        """All that is wrong with an exchange, where that is why the verdict was reached."""
        faults = () if self.exchange is None else self.exchange.faults
        # How a path can be read comes before what is wrong where it is read so.
        return faults if faults and faults[0].reason is self.reason else ()

    @property
    def enforcement(self) -> Enforcement:
        """What the rule does with this decision; an allow has the rule's own."""
        if self.rule is None:
            return self.imposed
        if self.verdict is Verdict.ALLOW:
            return self.rule.enforcement
        return self.rule.enforcement_of(self.reason)

    @property
    def strictness(self) -> Enforcement:
        """What the policy would do with this decision, so that a cap changes nothing that is said."""
        # Without a rule it is `no_rule`, which blocks, or stands alone.
        if self.rule is None:
            return Enforcement.BLOCK
        rule = self.rule.uncapped or self.rule
        return rule.enforcement if self.verdict is Verdict.ALLOW else rule.enforcement_of(self.reason)

    @property
    def severity(self) -> tuple[int, int, str]:
        """Sorts decisions: strictest enforcement, then the catalogue's order, then rule id."""
        return -self.strictness, self.reason.rank, "" if self.rule is None else self.rule.id


class NeedBody(NamedTuple):
    """The answer to a request that cannot be judged without its body: ask again with it."""

    #: How many bytes of it will be read, as sent and without its content codings; of more, nothing is.
    limit: int


class Inspection(NamedTuple):
    """All decisions on one request, the one that decides, and what should be done."""

    #: One for each rule that matched.
    decisions: tuple[Decision, ...]
    #: None where no rule matched and that is let through.
    deciding: Decision | None
    action: Action

    @classmethod
    def of(cls, decisions: tuple[Decision, ...]) -> Self:
        """Weigh at least one decision: the strictest of those that fail decides."""
        failing = [decision for decision in decisions if decision.verdict is not Verdict.ALLOW]
        deciding = min(failing or decisions, key=lambda decision: decision.severity)
        return cls(decisions, deciding, choose_action(deciding.verdict, deciding.enforcement))


def allowed_by(rule: Rule) -> dict[Reason, Inspection]:
    """Return, by reason, the inspection of a request that this rule alone matches and allows."""
    decisions = [Decision(rule, Verdict.ALLOW, reason) for reason in ALLOWING]
    return {each.reason: Inspection((each,), each, Action.FORWARDED) for each in decisions}
