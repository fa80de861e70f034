"""Trying an example: the whole policy judges it, as it would judge the same request in the proxy."""

from typing import NamedTuple

from orgfence.core.decision import Decision, Inspection, NeedBody
from orgfence.core.guard import inspect
from orgfence.core.known import Known
from orgfence.core.policy.compile_rules import CompiledRule
from orgfence.core.policy.examples import Example
from orgfence.core.request import UNREAD, Request
from orgfence.core.routing.readings import plain_reading
from orgfence.core.ruleset import Ruleset
from orgfence.core.tokens.cache import TokenCache


class Trial(NamedTuple):
    """What came of an example."""

    #: The rule that it stands in.
    holder: CompiledRule
    example: Example
    #: As it was sent.
    request: Request
    inspection: Inspection

    @property
    def deciding(self) -> Decision | None:
        """The decision that counts; None: no rule matched."""
        return self.inspection.deciding

    @property
    def has_passed(self) -> bool:
        """Whether the policy says what the example says."""
        if self.deciding is None or self.deciding.verdict is not self.example.verdict:
            return False
        return self.example.reason in {None, self.deciding.reason}

    @property
    def is_elsewhere(self) -> bool:
        """Whether the rule that it stands in has no say in it, and not because of an exception: it tries others."""
        rule = self.holder.rule
        segments = plain_reading(self.request.target, rule.encoded_slash).segments
        is_excepted = any(path.matches(segments) for path in rule.except_paths)
        return not is_excepted and all(decision.rule is not rule for decision in self.inspection.decisions)


def try_example(holder: CompiledRule, example: Example, ruleset: Ruleset, now: float) -> Trial:
    """Have a policy judge one example. `now` is in seconds since the epoch."""
    known = Known(TokenCache())
    request, body = example.sent(now)
    answer = inspect(request, ruleset, known, now)
    if isinstance(answer, NeedBody):
        request = request._replace(body=body if len(body) <= answer.limit else UNREAD)
        answer = inspect(request, ruleset, known, now)
        assert not isinstance(answer, NeedBody), "nobody is asked twice for a body"
    return Trial(holder, example, request, answer)
