"""What orgfence says of the bytes that the servers read: rules that read one name, and requests that hold it."""

import re
from typing import NamedTuple

from tests.guarding import CORP, NOW, bearer, inspected, request_of, ruleset_of
from tests.servers.running import Read, Running
from tests.servers.server import Channel, Sent
from tests.tokens import jwt_of

from orgfence.core.reason import Reason, Verdict
from orgfence.core.request import Request
from orgfence.core.ruleset import Ruleset

ACME_TOKEN = jwt_of({"iss": CORP, "org_ids": ["acme"]}).decode()
GLOBEX_TOKEN = jwt_of({"iss": CORP, "org_ids": ["globex"]}).decode()
AUTHORIZATION = bearer({"org_ids": ["acme"]})
FORM = b"application/x-www-form-urlencoded"
JSON = b"application/json"


class Subject(NamedTuple):
    """What is read under one name: an org, or the credential itself."""

    channel: Channel
    name: str
    #: What the token grants, or the token for it.
    good: str
    #: What it must not pass with.
    bad: str
    #: The rule as it is, and the same rule under `pass_without`.
    strict: Ruleset
    lenient: Ruleset
    is_token: bool = False

    def __repr__(self) -> str:
        """Name it as tests show it."""
        return f"{'token' if self.is_token else 'org'} in {self.channel} `{self.name}`"


def org_in(channel: Channel, name: str) -> Subject:
    """Return an org that a rule reads from a part of the request."""
    source = {Channel.JSON: f'{{body: "/{name}"}}'}.get(channel, f'{{{channel}: "{name}"}}')
    rule = f"org: {source}, token: {{issuer: corp}}"
    if channel is Channel.HOST:
        rule = f'match: {{hosts: ["{{{name}}}.t.example.com"]}}, {rule}'
    return Subject(
        channel, name, "acme", "globex", ruleset_of(rule), ruleset_of(f"{rule}, pass_without: [org]"), is_token=False
    )


def token_in(channel: Channel, name: str) -> Subject:
    """Return a credential that a rule reads from a part of the request."""
    rule = f'org: {{value: acme}}, token: {{issuer: corp, from: [{{{channel}: "{name}"}}]}}'
    lenient = ruleset_of(f"{rule}, pass_without: [token]")
    return Subject(channel, name, ACME_TOKEN, GLOBEX_TOKEN, ruleset_of(rule), lenient, is_token=True)


class Written(NamedTuple):
    """The part of a request that a name stands in."""

    #: One part; of `Cookie`, one for each field.
    parts: tuple[bytes, ...]
    content_type: bytes = b""

    def as_sent(self, channel: Channel) -> Sent:
        """Return what a server gets to read: fields of `Cookie` are joined as RFC 9113 section 8.2.3 has it."""
        return Sent(channel, b"; ".join(self.parts), self.content_type)


def request_with(subject: Subject, written: Written) -> Request:
    """Return the request that orgfence judges."""
    headers = () if subject.is_token else (AUTHORIZATION,)
    if subject.channel is Channel.QUERY:
        return request_of(b"/?" + written.parts[0], *headers, body=b"")
    if subject.channel is Channel.COOKIE:
        return request_of(b"/", *headers, *((b"Cookie", part) for part in written.parts), body=b"")
    if subject.channel is Channel.HOST:
        lines = written.parts[0].split(b"\r\n")[:-1]
        fields = [(name, value.strip(b" \t")) for name, _, value in (line.partition(b":") for line in lines)]
        return request_of(b"/", *headers, *fields, hosts=(b"acme.t.example.com",), body=b"")
    typed = ((b"Content-Type", written.content_type),) if written.content_type else ()
    return request_of(b"/", *headers, *typed, method=b"POST", body=written.parts[0])


def allowed_by(ruleset: Ruleset, request: Request) -> Reason | None:
    """Return the reason for which a request is allowed; None: it is not."""
    deciding = inspected(ruleset, request, NOW).deciding
    if deciding is None:
        return Reason.NOT_JUDGED
    return deciding.reason if deciding.verdict is Verdict.ALLOW else None


def bypasses(running: Running, subject: Subject, written: Written) -> list[Read]:
    """Return what servers read that the token does not grant, of a request that orgfence allows."""
    request = request_with(subject, written)
    reasons = {allowed_by(ruleset, request) for ruleset in (subject.strict, subject.lenient)} - {None}
    if not reasons:
        return []
    reads = running.reads(written.as_sent(subject.channel), _asked(subject))
    judged_none = subject.is_token and Reason.NOT_JUDGED in reasons
    return list(dict.fromkeys(read for read in reads if not _is_harmless(subject, read.value, judged_none)))


def _asked(subject: Subject) -> str:
    return "" if subject.channel is Channel.HOST else subject.name


def _is_harmless(subject: Subject, value: str, judged_none: bool) -> bool:
    """Return whether a value names nothing that the token does not grant.

    An empty value is no org. Blanks, quotes and separators around a value are left on it by one server and taken off by
    another: they make no other org of it. `judged_none`: orgfence saw no token, so a server must not see one either.
    """
    if subject.channel is Channel.HOST:
        return _tenant(value) in {"", subject.good}
    bare = _EDGES.sub("", value)
    if subject.is_token and bare.count(".") == 2 and bare.rpartition(".")[0] == subject.good.rpartition(".")[0]:
        # The token that was judged, with a signature that was cut: these rules verify none.
        return not judged_none
    return not bare or (bare == subject.good and not judged_none)


_EDGES = re.compile(r"""^[\s"',;]+|[\s"',;\0]+$""")


def _tenant(host: str) -> str:
    """Return the tenant that a host names, as an app takes it from there; empty: it is no tenant's."""
    name = host.strip(" \t[]").lower().partition(":")[0].rstrip(".")
    tenant, dot, rest = name.partition(".")
    return tenant if dot and rest == "t.example.com" and _LABEL.fullmatch(tenant) else ""


_LABEL = re.compile(r"[a-z0-9-]+")
