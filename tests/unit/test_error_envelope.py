"""An API's own form of an error."""

import json

import pytest
from tests.guarding import bearer, inspected, load, request_of

from orgfence.core.error_envelope import ErrorEnvelope, Said
from orgfence.core.ruleset import Ruleset

SAID = Said(
    title="The token is for another org",
    detail='It is about `{id}` "é\n`.',
    reason="org_not_granted",
    status=403,
    rule="a/b",
    id="7f",
    advice="Do this. Do that.",
)


@pytest.mark.parametrize(
    ("body", "filled"),
    [
        ({}, {}),
        (
            {"a": "{status}", "b": "x{status}", "c": 7, "d": None, "e": [True, 1.5]},
            {"a": 403, "b": "x403", "c": 7, "d": None, "e": [True, 1.5]},
        ),
        ({"{id}": "{reason} {rule} {id}"}, {"{id}": "org_not_granted a/b 7f"}),
        (
            {"a": [{"b": ["{title}", "{advice}"]}]},
            {"a": [{"b": ["The token is for another org", "Do this. Do that."]}]},
        ),
        # What was filled in is no template.
        ({"a": "{detail}!"}, {"a": 'It is about `{id}` "é\n`.!'}),
        ({"a": "{ id } {}"}, {"a": "{ id } {}"}),
    ],
)
def test_it_is_filled(body: dict[str, object], filled: dict[str, object]) -> None:
    """In all texts, however deep; a status alone is a number, and the keys are the API's."""
    assert json.loads(ErrorEnvelope(body, "application/json").filled(SAID)) == filled


def test_a_policy_says_what_it_holds() -> None:
    """Unquoted numbers and words of JSON are themselves."""
    errors = (
        load('{version: 1, issuers: {a: {errors: {body: {a: 1, b: "1", c: [true, null, "{id}"]}}}}}')
        .issuers["a"]
        .errors
    )
    assert errors == ErrorEnvelope({"a": 1, "b": "1", "c": [True, None, "{id}"]}, "application/json")


ONE = (
    "one: {iss: https://login.example.com, claims: {member: org_ids}, errors: {body: {a: b}}, "
    "oauth: {hosts: [login.test]}}"
)
TWO = "two: {iss: https://two.test, claims: {member: org_ids}}"


def ruleset(*issuers: str, token: str = "{}", match: str = "hosts: [api.example.com]") -> Ruleset:
    rules = f"{{id: a, match: {{{match}}}, org: {{query: org}}, token: {token}, enforcement: block}}"
    return load(f"{{version: 1, unmatched: block, issuers: {{{', '.join(issuers)}}}, rules: [{rules}]}}")


@pytest.mark.parametrize(
    ("policy", "claims", "has"),
    [
        # By the token,
        (ruleset(ONE, TWO), {}, True),
        (ruleset(ONE, TWO), {"iss": "https://two.test"}, False),
        # by the rule, whosever the token is,
        (ruleset(ONE, TWO, token="{issuer: one}"), {"iss": "https://two.test"}, True),
        (ruleset(ONE, TWO, token="{issuer: two}"), {}, False),
        # or because there is no other.
        (ruleset(ONE), {"iss": "https://three.test"}, True),
        (ruleset(ONE, TWO), {"iss": "https://three.test"}, False),
        (ruleset(TWO), {}, False),
        # What no rule is for is no call of an API that is known.
        (ruleset(ONE, match="hosts: [api.example.com], paths: [/x]"), {}, False),
    ],
)
def test_a_block_is_worded_as_the_api_of_the_issuer_words_errors(
    policy: Ruleset, claims: dict[str, object], has: bool
) -> None:
    """Of the rule's issuer, else of the token's, else of the only one."""
    deciding = inspected(policy, request_of(b"/?org=globex", bearer({"org_ids": ["acme"], **claims}))).deciding
    assert deciding is not None
    assert (policy.errors_of(deciding) is not None) == has


def test_an_exchange_is_none_of_the_apis_calls() -> None:
    """Its errors have a form of their own (RFC 6749 section 5.2)."""
    policy = ruleset(ONE)
    request = request_of(b"/oauth/authorize?client_id=a", hosts=(b"login.test",))
    deciding = inspected(policy, request).deciding
    assert deciding is not None
    assert policy.errors_of(deciding) is None
