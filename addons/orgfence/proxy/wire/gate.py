"""What the stream that serves a request asks of the guard, and what it can be told."""

from typing import NamedTuple, Protocol

from mitmproxy import http

from orgfence.proxy.held_bodies import HeldBodies


class Hold(NamedTuple):
    """The request waits: for all of its body, or for more of it than is read."""

    #: In bytes.
    limit: int


class Gate(Protocol):
    """Says of each request whether it may go on.

    What a method returns is answered instead of going upstream, and is new each time; None lets the request go on. An
    exception refuses it. CONNECT does not come by here, nor does what mitmproxy itself refuses.
    """

    #: What counts the bodies that wait, of requests and of answers.
    held: HeldBodies

    def answer_early(self, flow: http.HTTPFlow) -> http.Response | Hold | None:
        """Called once a request, when all `requestheaders` hooks are through, whether they ran or not."""

    def answer_held(self, flow: http.HTTPFlow) -> http.Response | None:
        """Called for what was held: its body has come, and all `request` hooks are through, whether they ran or not."""

    def answer_unread(self, flow: http.HTTPFlow) -> http.Response | None:
        """Called instead for what was held as soon as more than the limit has come."""

    def limit_of_answer(self, flow: http.HTTPFlow) -> int | None:
        """Return how much of upstream's answer is held until it is whole; None: nothing is held on our account."""

    def answer_too_long(self, flow: http.HTTPFlow) -> None:
        """Called once as soon as more than that has come of an answer, which then goes on as it comes."""

    def refused_unread(self, *, is_request: bool) -> None:
        """Called for each 400 to what nothing else is asked or told of.

        `is_request`: it ends a request for which no hook is called. Else a hook is, or no request could be read.
        """
