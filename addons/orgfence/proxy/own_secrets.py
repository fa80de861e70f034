"""Collects the secrets of a flow's own messages, so that nothing which is shown of the flow repeats one."""

from mitmproxy import http

from orgfence.core.rule import PlaceKind, Rule
from orgfence.core.showing.own_secrets import own_secrets
from orgfence.core.showing.redactor import Redactor


def redactor_of(flow: http.HTTPFlow, rule: Rule | None) -> Redactor:
    """Return what shows values of this flow, as the rule that decided reads credential and org from it."""
    messages: list[http.Message] = [flow.request] if flow.response is None else [flow.request, flow.response]
    places = () if rule is None else rule.places
    sources = () if rule is None else rule.org
    return Redactor(
        own_secrets(
            fields=[field for message in messages for field in message.headers.fields],
            texts=[flow.request.data.path, *(message.raw_content or b"" for message in messages)],
            credential_names=[place.name for place in places],
            org_names=[source.name for source in sources if source.kind in _NAMED],
        )
    )


_NAMED = frozenset({PlaceKind.HEADER, PlaceKind.QUERY, PlaceKind.COOKIE, PlaceKind.FORM})
