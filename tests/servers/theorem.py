"""The theorem that the servers are asked for, and what it is tried with."""

from collections.abc import Callable, Mapping

from hypothesis import HealthCheck, given, settings
from hypothesis import seed as with_seed
from hypothesis.strategies import SearchStrategy
from tests.servers import spellings
from tests.servers.judging import Subject, Written, bypasses, org_in, token_in
from tests.servers.running import Running
from tests.servers.server import Channel

#: By what is read, the bytes that are made around it.
SUBJECTS: Mapping[Subject, Callable[[Subject], SearchStrategy[Written]]] = {
    org_in(Channel.QUERY, "org_id"): spellings.written,
    org_in(Channel.QUERY, "filter[org]"): spellings.written,
    org_in(Channel.FORM, "org_id"): spellings.written,
    org_in(Channel.COOKIE, "org"): spellings.written,
    org_in(Channel.COOKIE, "org_id"): spellings.written,
    org_in(Channel.JSON, "org_id"): spellings.documents,
    org_in(Channel.HOST, "tenant"): spellings.heads,
    token_in(Channel.QUERY, "access_token"): spellings.written,
    token_in(Channel.FORM, "access_token"): spellings.written,
    token_in(Channel.COOKIE, "sid"): spellings.written,
    token_in(Channel.COOKIE, "__session"): spellings.written,
}


def hold(running: Running, subject: Subject, examples: int, seed: int | None = None) -> None:
    """Try the theorem with so many examples: the same each time, or those of a seed."""

    @settings(
        max_examples=examples,
        derandomize=seed is None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(SUBJECTS[subject](subject))
    def no_server_reads_what_is_not_granted(written: Written) -> None:
        found = bypasses(running, subject, written)
        assert not found, f"{subject}: allowed, but {', '.join(map(str, found))}"

    tried = no_server_reads_what_is_not_granted
    if seed is not None:
        tried = with_seed(seed)(tried)
    tried()
