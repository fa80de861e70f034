"""The catalogue of reasons: what each one means, how it is answered when blocked, and what mends it.

One table; the documentation and every message that a person sees are made from it.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from orgfence.core.decision import Decision
from orgfence.core.escapes import text_of
from orgfence.core.orgs import OrgNames
from orgfence.core.reason import Reason
from orgfence.core.routing.host_overrides import HOST_OVERRIDES
from orgfence.core.showing.named_credentials import HIDDEN
from orgfence.core.showing.redactor import NO_REQUEST, Redactor


class Entry(NamedTuple):
    """What the catalogue says of one reason."""

    #: A few words, the same for every occurrence (RFC 9457 section 3.1.3).
    title: str
    #: What it means, for a reader of the documentation.
    explanation: str
    #: Steps that mend it; none for what is no fault.
    advice: tuple[str, ...] = ()
    #: The HTTP status of a block. 403 and never 429 or 503, whose Retry-After has SDKs try again ten times; 401 only
    #: where a fresh token mends it, since API clients answer a 401 by refreshing and trying again.
    status: int = 403


CATALOGUE: dict[Reason, Entry] = {
    Reason.ORG_GRANTED: Entry("The org is granted", "Every org that the request is about is among the token's."),
    Reason.TOKEN_ACCEPTED: Entry(
        "The token is accepted", "The rule names no org; the token is readable, in time and has the scopes."
    ),
    Reason.NOT_JUDGED: Entry(
        "Not judged",
        "A CORS preflight, which carries no token; or a token that the rule excepts by its claims; or something is "
        "missing that the rule's `pass_without` lets pass; or the only org that the request names is another party's, "
        "as the issuer's `other_party` says.",
    ),
    Reason.EXCHANGE_SOUND: Entry(
        "Nothing is wrong with the exchange", "An OAuth exchange in which nothing is missing that the issuer wants."
    ),
    Reason.ORG_NOT_GRANTED: Entry(
        "The token is for another org",
        "The org that the request is about is not among the orgs that the token was issued for.",
        (
            "Use a token that was issued for the org that this request is about.",
            (
                "If the app has just one token, sign in again and name the org in the authorize request: most issuers "
                "mint a token for the orgs that were asked for there, and for no others."
            ),
            "If the token is right, the request names the wrong org: compare the id in it with the token's.",
        ),
    ),
    Reason.ORG_CLAIM_MISSING: Entry(
        "The token names no org",
        "The claim in which the issuer names the token's orgs is not in the token.",
        (
            "Ask for the org when the token is requested; without it many issuers leave the claim out.",
            "If this issuer's tokens name orgs elsewhere, correct `claims` of the issuer in the policy.",
        ),
    ),
    Reason.ORG_CLAIM_EMPTY: Entry(
        "The token is for no org at all",
        "The claim that names the token's orgs is there and holds none.",
        ("Sign in again and ask for the org by the parameter that the issuer wants for it.",),
    ),
    Reason.ORG_CLAIM_MALFORMED: Entry(
        "The token's org claim cannot be read",
        "The claim holds something that is no org id (a boolean, a number with a fraction, null, a nested value), or "
        "an active org that is more than one.",
        ("Compare the token's claims with `claims` of its issuer in the policy.",),
    ),
    Reason.ORG_ABSENT: Entry(
        "The request names no org",
        "None of the places where the rule reads the org gave one, so nothing can be compared.",
        ("Send the org where the rule reads it, or add `pass_without: [org]` to the rule if it may be missing.",),
    ),
    Reason.ORG_AMBIGUOUS: Entry(
        "It is unclear which org the request is about",
        "The request names several orgs where the rule says that they must agree. Or a name that some servers read as "
        "the one that the rule reads (`ORG_ID`, `orgId`, `org_id[]` for `org_id`) gives an org that the token is not "
        "good for. Or the header that names the org is also named by `Connection`, so that a hop may remove it on its "
        "way. Or the query, the cookies or the list of orgs are longer than servers read (64 KiB, 2,048 parameters). "
        "An OAuth request names an org in a way in which some issuers read another one or none, or holds more "
        "parameters than are read here.",
        (
            "Name the same org in all places where the request names one.",
            "Send the org's header without naming it in `Connection`.",
        ),
    ),
    Reason.SCOPE_MISSING: Entry(
        "The token lacks a scope",
        "The token's scopes do not include all that the rule asks for.",
        ("Ask for the missing scope when the token is requested, and on each refresh if the issuer drops scopes.",),
    ),
    Reason.TOKEN_MALFORMED: Entry(
        "The token is malformed",
        "It looks like a JWT but cannot be read as one: a part is no base64url JSON, a name stands twice, a time is "
        "no number.",
        ("Look for a truncated or edited token, and get a fresh one.",),
    ),
    Reason.ISSUER_UNTRUSTED: Entry(
        "The token's issuer is not one of the policy's",
        "No issuer of the policy has the `iss` that the token carries, or the rule wants another one.",
        (
            "Use a token of the issuer that this API trusts: a token of another environment is a common mix-up.",
            "If the issuer is right, add it under `issuers` with exactly this `iss`.",
        ),
    ),
    Reason.CREDENTIAL_TOO_LARGE: Entry(
        "The credential is too large",
        "The credential is longer than 16 KiB, which common servers refuse as well.",
        ("Ask the issuer for fewer claims in the token.",),
    ),
    Reason.NO_RULE: Entry(
        "No rule covers this request",
        "The host is guarded, no rule matches the request, and the policy says `unmatched: block`.",
        ("Add a rule for this host, method and path, or set `unmatched: observe`.",),
    ),
    Reason.OWN_ADDRESS: Entry(
        "The request is for orgfence itself",
        "The host that it names is an address on which orgfence listens: the proxy's own port, or the one of its "
        "metrics. Through the proxy none of them can be reached, under no policy and no `--observe`.",
        (
            "Ask for metrics and health without the proxy; add the host to `NO_PROXY`.",
            "If the proxy's own address is the upstream of one of its modes, correct `--mode`.",
            "If the network sends all connections to the proxy, except those of orgfence's own user from that.",
        ),
    ),
    Reason.TOKEN_EXPIRED: Entry(
        "The token has expired", "Its `exp` lies in the past.", ("Refresh the token.",), status=401
    ),
    Reason.TOKEN_NOT_YET_VALID: Entry(
        "The token is not valid yet",
        "Its `nbf` or `iat` lies in the future.",
        ("Compare this machine's clock with the issuer's.",),
        status=401,
    ),
    Reason.TOKEN_MISSING: Entry(
        "The request carries no token",
        "There is no credential where the rule looks for one.",
        (
            "Send the token where the rule looks for it, by default `Authorization: Bearer TOKEN`.",
            "If this operation takes no token, add `pass_without: [token]` to the rule.",
        ),
    ),
    Reason.CREDENTIAL_AMBIGUOUS: Entry(
        "The request carries more than one credential",
        "Two credentials stand where the rule looks, or the request can be read as if they did (a bare carriage "
        "return, a scheme without a space behind it, hundreds of fields, a name that only some servers read as the "
        "rule's), and nobody can know which one the server will take. Or the query or the cookies, in which the rule "
        "looks, are longer than servers read (64 KiB, 2,048 parameters). An OAuth request names two clients.",
        ("Send exactly one.",),
        status=400,
    ),
    Reason.PATH_AMBIGUOUS: Entry(
        "The path can be read in more than one way",
        "Read as some servers read it (decoded twice, dots resolved, a backslash as a slash, …) the path is about "
        "something that the token is not good for, or it has too many readings to try.",
        ("Send the path in its plain form.",),
        status=400,
    ),
    Reason.AUTHORIZE_ORG_MISSING: Entry(
        "The sign-in names no org",
        "The authorize request does not have the parameter by which this issuer learns for which org the tokens are "
        "to be. It will issue tokens all the same, for whichever org comes first.",
        (
            "Name the org in the authorize request, by the parameter that this issuer reads.",
            "If the app is for one org alone, say which under `oauth.clients` in the policy.",
        ),
        status=400,
    ),
    Reason.AUTHORIZE_ORG_PARAMETER: Entry(
        "The sign-in names the org by another issuer's parameter",
        "The authorize request names an org by a parameter that this issuer ignores without a word: `org_id` where it "
        "reads `target`, say.",
        ("Name the org by the parameter that this issuer reads.",),
        status=400,
    ),
    Reason.AUTHORIZE_ORG_UNKNOWN: Entry(
        "The sign-in is for an unknown org",
        "The org that the authorize request names is none of those that the policy names.",
        ("Name one of the policy's orgs; if the org is right, add it under `orgs` there.",),
        status=400,
    ),
    Reason.AUTHORIZE_FLAG_MISSING: Entry(
        "The sign-in lacks a flag",
        "The authorize request does not have a parameter that this issuer wants beside the org.",
        ("Add the parameter, with the value that the issuer wants.",),
        status=400,
    ),
    Reason.REFRESH_SCOPE_MISSING: Entry(
        "The refresh does not repeat its scopes",
        "A refresh without `scope`, at an issuer that strips the scopes which a refresh does not repeat.",
        ("Send `scope` with each refresh.",),
        status=400,
    ),
    Reason.GRANT_LACKS_ORG: Entry(
        "The grant is for another org",
        "The code or the refresh token was given for another org than the one that this token request is for.",
        ("Sign in for that org, and keep one refresh token for each org.",),
        status=400,
    ),
    Reason.ISSUED_ORG_MISSING: Entry(
        "The issued token is for another org",
        "The issuer has answered with a token that does not name the org that it was asked for.",
        ("Sign in again, and name the org in the authorize request.",),
        status=400,
    ),
    Reason.ISSUED_SCOPE_REDUCED: Entry(
        "The issued token has fewer scopes than were asked for",
        "The issuer has left out scopes. Those of OpenID Connect (`openid`, `offline_access`, …) are not counted, for "
        "they never come back.",
        ("Compare what the app asks for with what it is allowed at this issuer.",),
        status=400,
    ),
    Reason.ISSUED_LIFETIME_WRONG: Entry(
        "The issued token's lifetime is contradictory",
        "`expires_in` of the answer and `exp` of the token are more than a minute apart.",
        ("Go by the token's `exp`.",),
        status=400,
    ),
    Reason.SCOPE_FORM: Entry(
        "A scope that this issuer does not know",
        "A scope that is asked for is none of the issuer's `oauth.scopes`.",
        ("Ask for scopes in the form that the issuer has for them.",),
        status=400,
    ),
    Reason.TOKEN_OPAQUE: Entry(
        "The token cannot be read here",
        "It is no JWT, so what it was issued for is known to its issuer alone.",
        (
            "Have the sign-in go through orgfence: what a token is for is known where it was seen issued.",
            "Else use an issuer whose tokens are JWTs, or leave this API out of the policy.",
        ),
    ),
    Reason.BODY_UNREAD: Entry(
        "The body cannot be read here",
        "The rule reads the org or the token in the request's body, and that is larger than `body_limit`, in another "
        "form than the rule reads (JSON or a form), broken, or coded in a way that is not undone here.",
        (
            "Send the body whole and in the form that the API documents.",
            "If bodies of this API are larger, raise `body_limit` in the policy.",
        ),
    ),
    Reason.INTERNAL_ERROR: Entry(
        "orgfence failed while judging this request",
        "A fault in orgfence itself; the request was handled as `undetermined` says.",
        ("Look for `internal_error` in orgfence's log and report it.",),
        status=502,
    ),
}


class Explanation(NamedTuple):
    """One decision in words, for a problem document, a comment or a log line."""

    title: str
    #: What was found in this case.
    detail: str
    advice: tuple[str, ...]
    status: int
    requested_orgs: tuple[str, ...]
    granted_orgs: tuple[str, ...]


def explain(decision: Decision, orgs: OrgNames, redactor: Redactor = NO_REQUEST) -> Explanation:
    """Put a decision into words that may be shown everywhere: `redactor` knows the secrets of the request.

    Orgs are shown by the policy's names where it has any.
    """
    entry = CATALOGUE[decision.reason]
    granted_ids = sorted(_granted(decision))
    granted = tuple(sorted(orgs.shown(org, redactor, is_granted=True) for org in granted_ids[:_MAX_ORGS]))
    requested = tuple(orgs.shown(org, redactor) for org in decision.requested[:_MAX_ORGS])
    about = _listed(requested, len(decision.requested))
    good_for = _listed(granted, len(granted_ids))
    detail, advice = _detail(decision, about, good_for, redactor), entry.advice
    if decision.faults:
        # What is wrong beside the first is mended in the same go.
        detail = " ".join(redactor.sentence(fault.detail) for fault in decision.faults)
        advice = tuple(redactor.sentence(step) for fault in decision.faults for step in fault.advice) or advice
    elif decision.other_name is not None:
        advice = _advice_on_name(*decision.other_name, redactor)
    elif decision.lineage:
        detail = f"{detail} {redactor.sentence(decision.lineage)}"
    if decision.override:
        field = HOST_OVERRIDES[decision.override]
        detail = f"{detail} Its host is the one that `{field}` names."
        advice = (*advice, f"Send `{field}` with the host that the request is for, or not.")
    if HIDDEN in requested:
        detail = f"{detail} {_HIDDEN_ORG}"
    is_exchange = decision.rule is not None and decision.rule.exchange is not None
    status = _EXCHANGE_STATUS if is_exchange else entry.status
    return Explanation(
        entry.title,
        detail,
        advice,
        status,
        _counted(requested, len(decision.requested)),
        _counted(granted, len(granted_ids)),
    )


_HIDDEN_ORG = "A credential, or what looks like one, stands in the place of the org; it is not shown."
# https://www.rfc-editor.org/rfc/rfc6749#section-5.2; OAuth clients lose the error under any other.
_EXCHANGE_STATUS = 400


def without_orgs(decision: Decision, explanation: Explanation, *, names_scopes: bool = True) -> Explanation:
    """Leave out which orgs were requested and granted, wherever it says so; and which scopes the token lacks."""
    # Of what is found in a single case only scopes name no org.
    names_none = decision.reason is Reason.SCOPE_MISSING and names_scopes
    detail = explanation.detail if names_none else CATALOGUE[decision.reason].explanation
    # What mends an exchange names the orgs that could be meant, in URLs too.
    advice = explanation.advice if decision.exchange is None else CATALOGUE[decision.reason].advice
    return explanation._replace(detail=detail, advice=advice, requested_orgs=(), granted_orgs=())


def _counted(shown: tuple[str, ...], count: int) -> tuple[str, ...]:
    """Return a list that was cut, with the number of those that are not in it."""
    return shown if count <= len(shown) else (*shown, f"and {count - len(shown)} more")


# More than a person reads; a request or a token may name thousands.
_MAX_ORGS = 256


def _granted(decision: Decision) -> frozenset[bytes]:
    """Return what the token is good for; of an exchange that issued none, what its grant is."""
    if decision.rule is None:
        return frozenset()
    exchange, granted = decision.exchange, frozenset[bytes]()
    if decision.token is not None and (decision.rule.org or exchange is not None):
        granted = decision.token.claim_for(decision.rule.coverage).orgs
    elif exchange is not None and exchange.grant is not None:
        granted = exchange.grant.orgs
    return granted


def _detail(decision: Decision, about: str, good_for: str, redactor: Redactor) -> str:
    """Say what was found; the catalogue's explanation where there is nothing more to say.

    `about` and `good_for`: the requested and the granted orgs.
    """
    match decision.reason:
        case Reason.ORG_NOT_GRANTED:
            return f"The request is about {about}; the token is good for {good_for}."
        case Reason.ORG_CLAIM_MISSING | Reason.ORG_CLAIM_EMPTY | Reason.ORG_CLAIM_MALFORMED:
            return f"{CATALOGUE[decision.reason].explanation} The request is about {about}."
        case Reason.SCOPE_MISSING if decision.rule is not None and decision.token is not None:
            missing = sorted(scope.decode() for scope in decision.rule.scopes - decision.token.scopes)
            return f"The token lacks {_listed(missing, len(missing))}."
        case Reason.PATH_AMBIGUOUS if decision.read_as:
            read_as = redactor.path(text_of(decision.read_as))
            return f"{CATALOGUE[decision.reason].explanation} It can be read as {quoted(read_as)}."
        case Reason.ORG_AMBIGUOUS if decision.other_name is not None:
            return f"{_other_reading(*decision.other_name, redactor)}: there the request is about {about}."
        case Reason.CREDENTIAL_AMBIGUOUS if decision.other_name is not None:
            return f"{_other_reading(*decision.other_name, redactor)}: there they find a credential."
        case reason:
            return CATALOGUE[reason].explanation


def _other_reading(sent: bytes, read_as: bytes, redactor: Redactor) -> str:
    return f"Some servers read {_name_sent(sent, redactor)} as {quoted(read_as.decode())}"


def _advice_on_name(sent: bytes, read_as: bytes, redactor: Redactor) -> tuple[str, ...]:
    """Say what mends a request in which only another reading of a name shows a fault."""
    name, other = quoted(read_as.decode()), _name_sent(sent, redactor)
    return (
        f"Send the value under {name} alone.",
        f"If {other} and {name} are two things to this API, add `names: exact` to `match` of the rule.",
    )


def _name_sent(name: bytes, redactor: Redactor) -> str:
    """Return a name as it was sent, without the index behind it, which may be anything."""
    head, index, _ = _INDEX.split(name, maxsplit=1) if _INDEX.search(name) else (name, b"", b"")
    shown = redactor.value(text_of(head))
    return quoted(f"{shown}[…]" if index else shown)


_INDEX = re.compile(rb"([\[\]\0]|%(?:25)*(?:5b|5d|00)|%(?:25)*u00(?:5b|5d|00))", re.IGNORECASE)


def _listed(values: Sequence[str], count: int) -> str:
    """Return a few values in a sentence, and how many of `count` are not among them."""
    shown = ", ".join(map(quoted, values[:_MAX_LISTED]))
    return shown if count <= _MAX_LISTED else f"{shown} and {count - _MAX_LISTED} more"


# A token may hold thousands of orgs; the lists beside the sentence have more of them.
_MAX_LISTED = 5


def quoted(text: str) -> str:
    """Return a value as messages show it; long ones cut."""
    return f"`{text}`" if len(text) <= _MAX_SHOWN else f"`{text[:_MAX_SHOWN]}…`"


# A UUID has 36 characters; what is longer than this is no id that a person compares by eye.
_MAX_SHOWN = 100
