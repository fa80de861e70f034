"""Collects the secrets of a call's own messages, so that nothing which is shown of the call repeats one."""

from orgfence.core.rule import PlaceKind, Rule
from orgfence.core.showing.own_secrets import own_secrets
from orgfence.core.showing.redactor import Redactor
from orgfence.enforcement.call import Call


def redactor_of(call: Call, rule: Rule | None) -> Redactor:
    """Return what shows values of this call, as the rule that decided reads credential and org from it."""
    request, answer = call.request, call.answer
    body = request.body if isinstance(request.body, bytes) else b""
    places = () if rule is None else rule.places
    sources = () if rule is None else rule.org
    return Redactor(
        own_secrets(
            fields=request.headers if answer is None else (*request.headers, *answer.fields),
            texts=[request.target, body, *(() if answer is None else (answer.body,))],
            credential_names=[place.name for place in places],
            org_names=[source.name for source in sources if source.kind in _NAMED],
        )
    )


_NAMED = frozenset({PlaceKind.HEADER, PlaceKind.QUERY, PlaceKind.COOKIE, PlaceKind.FORM})
