"""If any server reads an org or a token that is not the one that was judged, the verdict is not `allow`."""

import pytest
from hypothesis import settings
from tests.servers.judging import Subject
from tests.servers.running import Running
from tests.servers.server import Channel
from tests.servers.theorem import SUBJECTS, hold


@pytest.mark.parametrize("subject", SUBJECTS, ids=repr)
def test_no_server_reads_what_is_not_granted(servers: Running, subject: Subject) -> None:
    """Whatever is written around a name: what orgfence allows, no server reads as another's."""
    sole = subject.channel in {Channel.JSON, Channel.HOST}  # of the others, several subjects share the parsers
    hold(servers, subject, settings().max_examples * (2 if sole else 1))
