"""How findings about exchanges are put into words, and what is meant by a scope that does not exist."""

import pytest

from orgfence.core.oauth.grant import Authorization, Grant
from orgfence.core.oauth.issuer import OAuthIssuer
from orgfence.core.oauth.lineage import lineage
from orgfence.core.oauth.scopes import KnownScopes, scopes_of, that_come_back
from orgfence.core.oauth.words import code, form_faults, listed
from orgfence.core.orgs import OrgNames
from orgfence.core.reason import Reason

KNOWN = KnownScopes(["users", "users:readonly", "organization", "organization:readonly", "audits:readonly"])
ORGS = OrgNames({"acme": "a-1"})
ISSUER = OAuthIssuer(name="corp", org_parameters=("target",), flags={}, clients={}, known_orgs={})


@pytest.mark.parametrize(
    ("scope", "meant"),
    [
        ("organization:read", "organization:readonly"),
        ("user", "users"),
        ("users:view", "users"),
        ("audits", "audits:readonly"),
        ("organisation", "organization"),
        ("users:anything-else-that-is-long", "users"),
        ("nothing", None),
        ("", None),
    ],
)
def test_the_scope_that_was_meant(scope: str, meant: str | None) -> None:
    """One that begins alike, one that looks alike, or its domain."""
    assert KNOWN.nearest(scope) == meant


def test_scopes_are_read_and_compared() -> None:
    """Each once; those of OpenID Connect are known to all, and come back from none."""
    assert scopes_of(" a  b a ") == ("a", "b")
    assert scopes_of("") == ()
    assert KNOWN.unknown(["users", "openid", "x"]) == ["x"]
    assert that_come_back(["a", "openid", "offline_access"]) == {"a"}
    # Entra ID's word for all that were consented to.
    assert that_come_back(["https://graph.microsoft.com/.default"]) == frozenset()


def test_values_are_shown_short_and_harmless() -> None:
    """They come from whoever sent them."""
    assert code("a") == "`a`"
    assert code("a\n\x1b") == "`a\\n\\x1b`"
    assert code("x" * 101) == f"`{'x' * 100}…`"
    assert listed(["a", "b"]) == "`a`, `b`"
    assert listed([*"abcdefg"]) == "`a`, `b`, `c`, `d`, `e` and 2 more"


def test_unknown_scopes_are_told_with_what_mends_them() -> None:
    """And what is asked for is put right."""
    changes: dict[str, str] = {}
    (fault,) = form_faults(("openid", "organization:read", "organization:readonly", "x"), KNOWN, changes)
    assert fault.reason is Reason.SCOPE_FORM
    assert fault.detail == "This issuer does not know `organization:read`, `x`."
    assert fault.advice == ("Ask for `organization:readonly` instead of `organization:read`.", "Leave `x` out.")
    assert changes == {"scope": "openid organization:readonly"}


def test_where_nobody_has_said_which_scopes_there_are_none_is_unknown() -> None:
    """Nor where none was asked for."""
    changes: dict[str, str] = {}
    assert form_faults(("x",), None, changes) == form_faults(None, KNOWN, changes) == []
    assert form_faults(("users",), KNOWN, changes) == []
    assert changes == {}


@pytest.mark.parametrize(
    ("grant", "told"),
    [
        (Grant("corp", "app", "client_credentials"), "The client got the token for itself (`client_credentials`)."),
        (Grant("corp", "app", "implicit"), "The token came with the redirect (the implicit grant)."),
        (Grant("corp", "app", "refresh_token"), "Its authorize request was not seen here."),
        (
            Grant("corp", "app", "refresh_token", refreshes=1),
            "Its authorize request was not seen here. It was refreshed once since.",
        ),
        (
            Grant(
                "corp",
                "app",
                "authorization_code",
                Authorization(1_800_000_000.0, (b"a-1", b""), ("x", "y")),
                refreshes=3,
            ),
            (
                "It descends from an authorize request at 2027-01-15 08:00 UTC for `acme`, scope `x y`. "
                "It was refreshed 3 times since."
            ),
        ),
        (
            Grant("corp", "app", "authorization_code", Authorization(1_800_000_000.0, (b"",), None)),
            "It descends from an authorize request at 2027-01-15 08:00 UTC without `target`, no scope.",
        ),
    ],
)
def test_where_a_token_comes_from(grant: Grant, told: str) -> None:
    """As far as it was seen."""
    assert lineage(grant, ISSUER, ORGS) == told


def test_a_sign_in_at_an_issuer_without_an_org_parameter_was_for_no_org() -> None:
    """Nor can it be said which parameter is missing where the issuer is gone."""
    grant = Grant("corp", "app", "authorization_code", Authorization(1_800_000_000.0, (), ("x",)))
    bare = OAuthIssuer(name="corp", flags={}, clients={}, known_orgs={})
    told = "It descends from an authorize request at 2027-01-15 08:00 UTC without an org, scope `x`."
    assert lineage(grant, bare, ORGS) == lineage(grant, None, ORGS) == told
