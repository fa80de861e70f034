"""What is wrong with an authorize request, and the URL that would be right."""

import pytest
from tests.exchanges import ACME, GLOBEX, OAUTH, ORGS, SignIns, advice, details, exchange_of, told
from tests.guarding import request_of

from orgfence.core.oauth.exchange import Step
from orgfence.core.oauth.judge_authorize import changed
from orgfence.core.reason import Reason, Verdict

URL = "https://login.test/oauth/authorize"
ONE_ORG = "If the app is for one org alone, say which under `oauth.clients` in the policy."


def test_a_request_for_a_known_org_is_sound() -> None:
    """By the issuer's own parameter, whatever else it holds."""
    for query in (f"org_id={ACME}", "org_id=acme&scope=anything", f"org_id={ACME}&org_id={GLOBEX}"):
        decision = SignIns().authorize(query)
        assert (decision.verdict, decision.reason) == (Verdict.ALLOW, Reason.EXCHANGE_SOUND)
        assert exchange_of(decision).step is Step.AUTHORIZE


def test_the_form_of_a_sign_in_page_is_judged_by_the_url_that_it_is_posted_to() -> None:
    """As HTML has it where a form does not say where it goes; what is wrong with the URL is wrong all the same."""
    sign_ins = SignIns()
    form = (b"Content-Type", b"application/x-www-form-urlencoded")
    for query, reasons in ((b"&org_id=acme", []), (b"", ["authorize_org_missing"])):
        target = b"/oauth/authorize?client_id=app&state=s" + query
        posted = request_of(target, form, method=b"POST", hosts=(b"login.test",), body=b"username=me&password=x")
        decision = sign_ins.judge(posted)
        assert told(decision) == reasons
        assert exchange_of(decision).begins_nothing
        assert f"For `acme` open {URL}?client_id=app&state=s&org_id={ACME}" in advice(decision) or not reasons


@pytest.mark.parametrize("query", ["client_id=app", "org_id=", "org_id", "org_id=&organization="])
def test_without_an_org_nobody_knows_which_is_meant(query: str) -> None:
    """There is a URL for each org that the policy names, and nothing but the org is changed in it."""
    decision = SignIns().authorize(f"{query}&state=a%20b")
    assert told(decision) == ["authorize_org_missing"]
    assert details(decision).startswith("The request has no `org_id`")
    kept = "&".join([*(pair for pair in query.split("&") if not pair.startswith("org_id")), "state=a%20b"])
    assert advice(decision) == [
        "Add `org_id` with the org that is meant.",
        f"For `acme` open {URL}?{kept}&org_id={ACME}",
        f"For `globex` open {URL}?{kept}&org_id={GLOBEX}",
        ONE_ORG,
    ]


def test_where_the_policy_names_no_org_its_place_is_shown() -> None:
    """There is nothing to choose from."""
    decision = SignIns(top="").authorize("a=1")
    assert advice(decision)[1] == f"Open, with the org's id in place of ORG, {URL}?a=1&org_id=ORG"


def test_there_are_no_more_urls_than_anybody_reads() -> None:
    """Five of them."""
    orgs = ", ".join(f"org-{number}: {{id: id-{number}}}" for number in range(9))
    assert len(advice(SignIns(top=f"orgs: {{{orgs}}}").authorize("a=1"))) == 1 + 5 + 1


@pytest.mark.parametrize("other", ["organization", "target", "tenant_id", "orgId"])
def test_another_issuers_parameter_is_named(other: str) -> None:
    """It is ignored without a word; its value goes where it belongs."""
    decision = SignIns().authorize(f"{other}=acme&x=1")
    assert told(decision) == ["authorize_org_parameter"]
    assert details(decision) == f"The request names the org by `{other}`, and this issuer reads `org_id`."
    assert advice(decision) == [
        f"Name the org by `org_id` instead of `{other}`.",
        f"Open {URL}?x=1&org_id=acme",
    ]


def test_any_of_the_issuers_parameters_names_the_org() -> None:
    """The first of them is advised."""
    oauth = "org_parameter: [target, org]"
    assert told(SignIns(oauth).authorize("org=acme")) == []
    assert advice(SignIns(oauth).authorize("org=&org_id="))[0] == "Add `target` with the org that is meant."
    assert advice(SignIns(oauth, top="").authorize("org="))[1] == (
        f"Open, with the org's id in place of ORG, {URL}?target=ORG"
    )


def test_an_org_that_the_policy_does_not_name() -> None:
    """An id of another environment, say; where the policy names none, any may be right."""
    decision = SignIns().authorize("org_id=initech&org_id=%ff&org_id=acme")
    assert told(decision) == ["authorize_org_unknown"]
    assert details(decision) == "`org_id` names `initech`, `\\xff`, which is none of the policy's orgs."
    assert advice(decision) == [
        "Name one of `acme`, `globex`.",
        f"For `acme` open {URL}?org_id={ACME}",
        f"For `globex` open {URL}?org_id={GLOBEX}",
    ]
    assert decision.requested == (b"initech", b"\\xff", ACME.encode())
    assert told(SignIns(top="").authorize("org_id=initech")) == []


def test_what_an_issuer_wants_beside_the_org() -> None:
    """With the value that it wants; all that is wrong is mended by one URL."""
    oauth = f"{OAUTH}, flags: {{multi_org: 'true', audience: api}}, scopes: [users, users:readonly]"
    assert told(SignIns(oauth).authorize("org_id=acme&multi_org=true&audience=api&scope=openid+users")) == []
    decision = SignIns(oauth).authorize("org_id=acme&multi_org=1&scope=users:read")
    assert told(decision) == ["authorize_flag_missing", "scope_form"]
    assert details(decision) == (
        "This issuer wants `multi_org=true`, `audience=api`. This issuer does not know `users:read`."
    )
    assert advice(decision) == [
        "Add `multi_org=true`, `audience=api`, once, and no other value of it.",
        f"Open {URL}?org_id=acme&multi_org=true&audience=api&scope=users%3Areadonly",
        "Ask for `users:readonly` instead of `users:read`.",
    ]


def test_a_client_of_one_org_need_not_name_it() -> None:
    """Nor set a flag; but its scopes are looked at."""
    oauth = f"{OAUTH}, flags: {{multi_org: 'true'}}, clients: {{app: acme}}, scopes: [users]"
    assert told(SignIns(oauth).authorize("client_id=app")) == []
    assert told(SignIns(oauth).authorize("client_id=app&scope=x")) == ["scope_form"]
    assert told(SignIns(oauth).authorize("client_id=other")) == ["authorize_org_missing", "authorize_flag_missing"]


def test_an_issuer_that_takes_no_org_misses_none() -> None:
    """Nor another issuer's parameter."""
    assert told(SignIns("flags: {a: b}").authorize("organization=acme")) == []


def test_what_was_pushed_or_is_signed_is_not_judged_here() -> None:
    """A pushed request was judged where it was pushed; an encrypted request object cannot be read."""
    assert told(SignIns().authorize("client_id=app&request_uri=urn:x")) == []
    assert told(SignIns().authorize("client_id=app&request=a.b.c.d.e")) == []


def test_what_is_pushed_or_posted_has_no_url() -> None:
    """The advice says what to add, and that is all."""
    for path in (b"/oauth/par", b"/oauth/authorize"):
        decision = SignIns().ask(path)
        assert (told(decision), exchange_of(decision).step) == (["authorize_org_missing"], Step.AUTHORIZE)
        assert advice(decision) == ["Add `org_id` with the org that is meant.", ONE_ORG]


def test_the_url_is_the_one_that_the_client_knows() -> None:
    """By the name and port that it gave; over HTTP/2 that is `:authority`."""
    sign_ins = SignIns()
    for headers, hosts in (
        (((b"Host", b"login.test:8443"),), (b"login.test",)),
        ((), (b"login.test", b"login.test:8443")),
    ):
        request = request_of(b"/oauth/authorize?a=1", *headers, hosts=hosts, scheme=b"http")
        url = "http://login.test:8443/oauth/authorize?a=1"
        assert advice(sign_ins.judge(request))[1] == f"For `acme` open {url}&org_id={ACME}"


def test_a_url_is_changed_where_it_has_to_be() -> None:
    """What stands in it stays as it is spelled, but for what is replaced or left out."""
    assert changed("https://a/b?x=%2f&&y", {"z": "a b"}) == "https://a/b?x=%2f&y&z=a%20b"
    assert changed("https://a/b?y%5B=1&x=2&%78=3&X=4&x[]=5", {"x": ""}) == "https://a/b?y%5B=1"
    assert changed("https://a/b", {"x": "1", "y": ""}) == "https://a/b?x=1"


def test_the_policys_names_of_orgs_are_ids_to_the_issuer() -> None:
    """An alias in the request is known for the org that it is."""
    top = ORGS.replace(f"{{id: {ACME}}}", f"{{id: {ACME}, aliases: [acme-inc]}}")
    assert SignIns(top=top).authorize("org_id=acme-inc").requested == ()
