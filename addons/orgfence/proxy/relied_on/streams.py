"""How it is found out what mitmproxy's `HttpStream` does with a request."""

# mypy: allow-untyped-calls

from typing import ClassVar

from mitmproxy import http
from mitmproxy.proxy import events
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers import http as http_layers
from mitmproxy.proxy.layers.http import (
    GetHttpConnection,
    GetHttpConnectionCompleted,
    HttpLayer,
    HTTPMode,
    HttpStream,
)
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestProtocolError,
    RequestTrailers,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import (
    HttpRequestHeadersHook,
    HttpRequestHook,
    HttpResponseHeadersHook,
    HttpResponseHook,
)

from orgfence.proxy.relied_on.driven import (
    ADDRESS,
    Driven,
    context,
    differs,
    driven_stream,
    first_difference,
    post,
    replaced,
    server,
)

REQUEST = b"POST http://example.com/ HTTP/1.1\r\nHost: example.com\r\nContent-Length: 4\r\n\r\nbody"


class Asked(HttpStream):
    """Writes down what it is asked, and by what state."""

    seen: list[str]
    #: What is answered: whether the request ends here.
    is_over: ClassVar[bool] = False

    def check_killed(self, emit_error_hook: bool) -> CommandGenerator[bool]:
        self.seen.append(f"check_killed in {self.client_state.__name__}")
        return self.is_over or (yield from super().check_killed(emit_error_hook))

    def check_body_size(self, request: bool) -> CommandGenerator[bool]:
        self.seen.append(f"check_body_size with {bytes(self.request_body_buf)!r}")
        return (yield from super().check_body_size(request))

    def _handle_event(self, event: events.Event) -> CommandGenerator[None]:
        self.seen.append(f"told of {type(event).__name__}")
        yield from super()._handle_event(event)

    def handle_protocol_error(self, event: RequestProtocolError | ResponseProtocolError) -> CommandGenerator[None]:
        self.seen.append(f"handle_protocol_error of {event.code.name}")
        yield from super().handle_protocol_error(event)


class Over(Asked):
    """Ends where it is first asked."""

    is_over = True


class Cut(Asked):
    """Lets nothing go upstream."""

    def make_server_connection(self) -> CommandGenerator[bool]:
        yield from ()
        return False


def _whole(kind: type[HttpStream] = Asked, *, stream: bool = False) -> Driven:
    driven = driven_stream(kind).tell(post(stream=stream))
    return driven.tell(RequestData(1, b"bo"), RequestData(1, b"dy"), RequestEndOfMessage(1))


def _between(seen: list[str], first: str, last: str) -> list[str]:
    """Return what was seen from the first to the last of two names, without what the log gets."""
    wanted = [name for name in seen if name != "Log" and not name.startswith("told of")]
    return wanted[wanted.index(first) : wanted.index(last) + 1]


def stream_class() -> str | None:
    class Ours(HttpStream):
        pass

    with replaced(http_layers, "HttpStream", Ours):
        driven = Driven(HttpLayer(context(), HTTPMode.regular))
        driven.tell(events.DataReceived(driven.layer.context.client, REQUEST))
    return differs([type(stream) for stream in driven.layer.streams.values()], [Ours])


def asks_early() -> str | None:
    asked, state = "check_killed in state_wait_for_request_headers", "check_killed in state_"
    over = driven_stream(Over).tell(post()).seen
    seen = driven_stream(Asked).tell(post((b"Expect", b"100-continue"))).seen
    return first_difference(
        (_between(seen, "HttpRequestHeadersHook", "ResponseHeaders to client")[:2], ["HttpRequestHeadersHook", asked]),
        ([name for name in seen if name.startswith(state)], [asked]),
        (over[over.index("HttpRequestHeadersHook") :], ["HttpRequestHeadersHook", asked]),
    )


def asks_late() -> str | None:
    found = _between(_whole().seen, "HttpRequestHook", "GetHttpConnection")
    return differs(found, ["HttpRequestHook", "check_killed in state_done", "GetHttpConnection"])


def asks_by_piece() -> str | None:
    seen = driven_stream(Asked).tell(post(), RequestData(1, b"bo"), RequestData(1, b"dy")).seen
    asked = [name for name in seen if name.startswith("check_body_size")]
    return differs(asked[-2:], ["check_body_size with b'bo'", "check_body_size with b'body'"])


def one_way_upstream() -> str | None:
    for stream in (False, True):
        driven = _whole(Cut, stream=stream)
        went = [name for name in driven.seen if name.endswith("to server") or name == "GetHttpConnection"]
        if went:
            return f"{went} without `make_server_connection`"
    users = [
        name
        for name, function in vars(HttpStream).items()
        if "GetHttpConnection" in getattr(getattr(function, "__code__", None), "co_names", ())
    ]
    return differs(users, ["make_server_connection"])


def trailers_are_events() -> str | None:
    for stream in (False, True):
        driven = driven_stream(Asked).tell(post(stream=stream), RequestTrailers(1, http.Headers()))
        if driven.seen[-1] != "told of RequestTrailers" or driven.layer.flow.request.trailers is None:
            return f"{driven.seen} when trailers came"
    return None


def refuses_first() -> str | None:
    head = post((b"Content-Length", b"4"), (b"Transfer-Encoding", b"chunked"))
    driven = driven_stream(Asked).tell(head)
    flow = driven.layer.flow
    if flow.error is None:
        return "a request with two lengths that is not refused"
    return differs(
        [name for name in driven.seen if not name.startswith("told of")],
        ["HttpRequestHeadersHook", "HttpErrorHook", "ResponseProtocolError to client"],
    )


def flows_take_notes() -> str | None:
    flow = http.HTTPFlow(context().client, server())
    flow.request = http.Request.make("GET", "http://example.com/")
    flow.__dict__["noted"] = "by us"
    copied = flow.copy()
    return differs((flow.__dict__.get("noted"), copied.__dict__.get("noted")), ("by us", None))


def stream_states() -> str | None:
    driven = driven_stream()
    states = [_states(driven.layer)]
    driven.tell(post(stream=True))
    states.append(_states(driven.layer))
    driven.tell(RequestEndOfMessage(1))
    states.append(_states(driven.layer))
    response = http.Response.make(200)
    response.stream = True
    driven.tell(ResponseHeaders(1, response))
    states.append(_states(driven.layer))
    driven.tell(ResponseData(1, b"x"), ResponseEndOfMessage(1))
    states.append(_states(driven.layer))
    held = driven_stream().tell(post())
    states.append(_states(held.layer))
    return differs(
        states,
        [
            ("state_wait_for_request_headers", "state_uninitialized"),
            ("state_stream_request_body", "state_wait_for_response_headers"),
            ("state_done", "state_wait_for_response_headers"),
            ("state_done", "state_stream_response_body"),
            ("state_done", "state_done"),
            ("state_consume_request_body", "state_wait_for_response_headers"),
        ],
    )


def _states(stream: HttpStream) -> tuple[str, str]:
    return stream.client_state.__name__, stream.server_state.__name__


class Released(HttpStream):
    """Streams a body after all that it was to wait for."""

    def check_body_size(self, request: bool) -> CommandGenerator[bool]:
        if len(self.request_body_buf) < 4:
            return False
        held = bytes(self.request_body_buf)
        self.request_body_buf.clear()
        self.flow.request.stream = True
        yield from self.start_request_stream()
        yield from self.client_state(RequestData(self.stream_id, held))
        return True


def held_bodies_can_stream() -> str | None:
    driven = driven_stream(Released).tell(post(), RequestData(1, b"bo"), RequestData(1, b"dy"))
    driven.tell(RequestData(1, b"more"), RequestEndOfMessage(1))
    data = [event.data for event in driven.http if isinstance(event, RequestData)]
    return first_difference(
        (data, [b"body", b"more"]),
        (
            [name for name in driven.seen if name.endswith("to server")],
            ["RequestHeaders to server", *["RequestData to server"] * 2, "RequestEndOfMessage to server"],
        ),
    )


class ReleasedAnswer(HttpStream):
    """Streams upstream's body after all that it was to wait for."""

    def check_body_size(self, request: bool) -> CommandGenerator[bool]:
        if request or len(self.response_body_buf) < 4:
            return False
        held = bytes(self.response_body_buf)
        self.response_body_buf.clear()
        assert self.flow.response is not None
        self.flow.response.stream = True
        yield from self.start_response_stream()
        yield from self.server_state(ResponseData(self.stream_id, held))
        return False


def held_answers_can_stream() -> str | None:
    driven = driven_stream(ReleasedAnswer).tell(post(), RequestEndOfMessage(1))
    driven.tell(ResponseHeaders(1, http.Response.make(200, b"")))
    driven.tell(*(ResponseData(1, piece) for piece in (b"bo", b"dy", b"more")), ResponseEndOfMessage(1))
    data = [event.data for event in driven.http if isinstance(event, ResponseData)]
    return first_difference(
        (data, [b"body", b"more"]),
        (
            [name for name in driven.seen if name.endswith("to client")],
            ["ResponseHeaders to client", *["ResponseData to client"] * 2, "ResponseEndOfMessage to client"],
        ),
    )


def paused_events() -> str | None:
    driven = driven_stream(replies=False).tell(post(), RequestData(1, b"body"))
    waiting = [type(event).__name__ for event in driven.layer._paused_event_queue]
    return differs(waiting, ["RequestData"])


def hooks_are_commands() -> str | None:
    stream = driven_stream().layer
    handling = stream._handle_event(post())
    command = handling.send(None)
    if not isinstance(command, HttpRequestHeadersHook):
        return f"{command!r} first"
    by_layer = driven_stream(replies=False).tell(post()).commands[0]
    kinds = [hook for hook in _whole().commands if isinstance(hook, HttpRequestHeadersHook | HttpRequestHook)]
    return first_difference(
        (command.blocking, True),
        (command.args(), [stream.flow]),
        (by_layer.blocking is True, False),
        ([type(hook) for hook in kinds], [HttpRequestHeadersHook, HttpRequestHook]),
        ((HttpResponseHeadersHook.blocking, HttpResponseHook.blocking), (True, True)),
    )


def stream_errors() -> str | None:
    driven = _whole().tell(ResponseProtocolError(1, "gone", ErrorCode.GENERIC_SERVER_ERROR))
    return first_difference((_handled(driven), ["GENERIC_SERVER_ERROR"]), (driven.seen[-1], "DropStream"))


def _handled(driven: Driven) -> list[str]:
    start = "handle_protocol_error of "
    return [name.removeprefix(start) for name in driven.seen if name.startswith(start)]


def connect_failed() -> str | None:
    driven = driven_stream(Asked, replies=False).tell(post(stream=True))
    driven.tell(events.HookCompleted(driven.of(HttpRequestHeadersHook)[0], None))
    (wanted,) = driven.of(GetHttpConnection)
    driven.tell(GetHttpConnectionCompleted(wanted, (None, "refused")))
    return differs(_handled(driven), ["CONNECT_FAILED"])


def wanted_connection() -> str | None:
    (wanted,) = _whole().of(GetHttpConnection)
    ours = GetHttpConnection(ADDRESS, False, None, "tcp")
    return first_difference(
        ((wanted.address, wanted.tls, wanted.via, wanted.transport_protocol), (ADDRESS, False, None, "tcp")),
        (ours.connection_spec_matches(server()), True),
        (ours.connection_spec_matches(server(tls=True)), False),
    )
