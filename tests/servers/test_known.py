"""What is known to be read in other ways, by servers that run here and by those that cannot."""

import pytest
from tests.servers.judging import GLOBEX_TOKEN, Subject, Written, allowed_by, org_in, request_with, token_in
from tests.servers.known import ELSEWHERE, KNOWN, Case
from tests.servers.running import STARTS, Running
from tests.servers.server import Channel, Sent

_READ = [pytest.param(case, server, id=f"{server}, {case}") for case in KNOWN for server in case.servers]
_SUBJECTS = {
    (channel, name, is_token): (token_in if is_token else org_in)(channel, name)
    for channel, name, is_token in dict.fromkeys((case.channel, case.name, case.is_token) for case in KNOWN + ELSEWHERE)
}


@pytest.mark.parametrize("server", STARTS)
def test_each_server_runs(servers: Running, server: str) -> None:
    """A server that is missing is named with the reason; one that runs reads what is written plainly."""
    if server in servers.missing:
        pytest.skip(f"{server}: {servers.missing[server]}")
    asked = servers.servers[server]
    for channel in asked.channels:
        for parser, values in asked.read(_PLAIN[channel], "" if channel is Channel.HOST else "org_id").items():
            assert values == [_HOST if channel is Channel.HOST else "globex"], (channel, parser)


_HOST = "globex.t.example.com"
_PLAIN = {
    Channel.QUERY: Sent(Channel.QUERY, b"org_id=globex"),
    Channel.FORM: Sent(Channel.FORM, b"org_id=globex", b"application/x-www-form-urlencoded"),
    Channel.COOKIE: Sent(Channel.COOKIE, b"org_id=globex"),
    Channel.JSON: Sent(Channel.JSON, b'{"org_id": "globex"}', b"application/json"),
    Channel.HOST: Sent(Channel.HOST, f"Host: {_HOST}\r\n".encode()),
}


@pytest.mark.parametrize(("case", "server"), _READ)
def test_a_server_reads_the_other_org(servers: Running, case: Case, server: str) -> None:
    """The table is right: the server reads `globex` from these bytes."""
    if server in servers.missing:
        pytest.skip(f"{server}: {servers.missing[server]}")
    name, wanted = (case.name, "globex") if case.channel is not Channel.HOST else ("", _HOST)
    wanted = GLOBEX_TOKEN if case.is_token else wanted
    reads = servers.servers[server].read(case.written.as_sent(case.channel), name)
    assert any(value.strip('"') == wanted for values in reads.values() for value in values), reads


@pytest.mark.parametrize("case", KNOWN + ELSEWHERE, ids=str)
def test_what_some_server_reads_otherwise_does_not_pass(case: Case) -> None:
    """A token for acme does not pass where a server reads globex, under `pass_without` or not."""
    subject = _SUBJECTS[case.channel, case.name, case.is_token]
    request = request_with(subject, case.written)
    assert allowed_by(subject.strict, request) is None
    assert allowed_by(subject.lenient, request) is None


@pytest.mark.parametrize("subject", _SUBJECTS.values(), ids=repr)
def test_what_is_written_plainly_allowed_by(subject: Subject) -> None:
    """The rules of these tests let a plain request for acme pass, so that the others show something."""
    plain = {
        Channel.JSON: b'{"%b": "acme"}' % subject.name.encode(),
        Channel.HOST: b"Host: acme.t.example.com\r\n",
    }.get(subject.channel, f"{subject.name}={subject.good}".encode())
    content_type = {Channel.FORM: b"application/x-www-form-urlencoded", Channel.JSON: b"application/json"}
    written = Written((plain,), content_type.get(subject.channel, b""))
    assert allowed_by(subject.strict, request_with(subject, written)) is not None
