"""Everything about mitmproxy's inside that this package takes for granted, in one list.

mitmproxy promises its hooks and options; all else may change with any release. What is here is checked by a test each,
which names what broke and whom it breaks; and what the guard's own promise rests on is checked again at each start, by
the mitmproxy that is there then.
"""

from collections.abc import Iterable
from importlib import import_module
from typing import NamedTuple

from mitmproxy.version import VERSION

from orgfence.errors import StartError

#: What all of these were found in.
KNOWN = "12.2.3"


class Assumption(NamedTuple):
    """One thing that mitmproxy does and does not promise."""

    #: By which a failing test or start calls it; never changed.
    name: str
    #: What mitmproxy does.
    says: str
    #: Our modules that break without it, below `orgfence.proxy`.
    needed_by: tuple[str, ...]
    #: The module below `relied_on` and the function in it that finds out; by name, so that a start imports few of them.
    check: str
    #: Whether the proxy must not start without it: a request might pass unjudged or be taken for another, or one of our
    #: replacements would have no effect, and nobody would notice.
    at_start: bool = False
    #: Private modules and attributes of mitmproxy, or of h11 and h2 below it, that it speaks for.
    private: tuple[str, ...] = ()

    def found(self) -> str | None:
        """Return what mitmproxy does in its place, None where it holds."""
        module, _, name = self.check.partition(".")
        try:
            found: str | None = getattr(import_module(f"orgfence.proxy.relied_on.{module}"), name)()
        except Exception as error:  # noqa: BLE001 - whatever the check trips over is not as it was
            return f"{type(error).__name__}: {error}"
        return found

    def broken(self, found: str) -> str:
        """Return the line that says what broke."""
        modules = ", ".join(f"`{module}`" for module in self.needed_by)
        return (
            f"mitmproxy {VERSION} is not as orgfence needs it: `{self.name}`: {self.says} "
            f"Found {found}. Breaks {modules}"
        )


def refuse_other_mitmproxy(assumptions: Iterable[Assumption] | None = None) -> None:
    """Raise `StartError` for the first thing that does not hold and that nothing may start without."""
    for assumption in ASSUMPTIONS if assumptions is None else assumptions:
        if assumption.at_start and (found := assumption.found()) is not None:
            raise StartError(f"{assumption.broken(found)}. Install `mitmproxy=={KNOWN}`")


_EVENTS = "mitmproxy.proxy.layers.http._events"
_HOOKS = "mitmproxy.proxy.layers.http._hooks"
_BASE = "mitmproxy.proxy.layers.http._base"
_HTTP1 = "mitmproxy.proxy.layers.http._http1"
_HTTP2 = "mitmproxy.proxy.layers.http._http2"
_HTTP3 = "mitmproxy.proxy.layers.http._http3"

#: In the order of a request's way.
ASSUMPTIONS = (
    # Connections.
    Assumption(
        "handlers_by_client",
        "`Proxyserver.connections` finds what holds a client's connection by the client's id, for as long as it lives.",
        ("lifetime.in_flight", "lifetime.draining", "wire.forgotten_sockets"),
        "connections.found_by_client",
    ),
    Assumption(
        "transports",
        "`ConnectionHandler.transports` holds reader, writer and task of each connection; ending that task closes "
        "the connection, its end is told of while it is still there, and it is taken out last.",
        (
            "lifetime.in_flight",
            "lifetime.draining",
            "interception.own_ports",
            "wire.back_pressure",
            "wire.broken_bodies",
            "wire.connection_ends",
            "wire.forgotten_sockets",
            "wire.stale_connections",
        ),
        "connections.held_to_the_end",
    ),
    Assumption(
        "transport_parts",
        "`ConnectionIO` is `handler`, `reader` and `writer`, and a TCP connection's reader keeps what broke it.",
        ("lifetime.in_flight", "wire.back_pressure", "wire.broken_bodies", "wire.stale_connections"),
        "connections.reads_streams",
    ),
    Assumption(
        "drains_after_each_piece",
        "The task that reads from a connection awaits `ConnectionHandler.drain_writers` after each piece, and "
        "before the next.",
        ("wire.back_pressure",),
        "connections.drains_after_each_piece",
    ),
    Assumption(
        "layers_are_told",
        "`ConnectionHandler.server_event` tells `layer` of an event and does what that says: sends bytes, and asks "
        "`handle_hook` about a hook, also one that mitmproxy does not know.",
        (
            "interception.tunnels",
            "interception.scope",
            "lifetime.in_flight",
            "wire.back_pressure",
            "wire.connection_ends",
        ),
        "connections.layers_are_told",
    ),
    Assumption(
        "hooks_are_for_addons",
        "A hook becomes one `AddonManager.handle_lifecycle`, and an intercepted flow is then waited for.",
        ("lean.dispatch", "lean.inline_hooks", "interception.scope"),
        "connections.hooks_are_for_addons",
    ),
    Assumption(
        "half_closes",
        "`ConnectionHandler.close_connection` with `half_close` ends one direction only.",
        ("interception.scope",),
        "connections.half_closes",
    ),
    Assumption(
        "activity",
        "`timeout_watchdog.last_activity` is set anew by each event of a connection.",
        ("lifetime.draining",),
        "connections.activity",
    ),
    Assumption(
        "refused_by_a_hook",
        "A connection whose `error` is set in `server_connect` is not dialled, and one with it in "
        "`client_connected` is closed unread.",
        ("interception.own_ports",),
        "connections.refused_by_a_hook",
    ),
    Assumption(
        "peers_have_names",
        "`ConnectionHandler.open_connection` fails an assertion, and tells nobody, where what it has connected to has "
        "no `peername` any more.",
        ("wire.connection_ends",),
        "connections.peers_have_names",
    ),
    Assumption(
        "ends_have_a_time",
        "`timestamp_end` of a connection to upstream is set when nothing more comes of it, and not before.",
        ("wire.closed_connections", "interception.own_ports"),
        "connections.ends_have_a_time",
    ),
    Assumption(
        "notes_stay",
        "Connections are keys of a mapping, and keep attributes that mitmproxy knows nothing of.",
        ("request_of", "wire.back_pressure", "wire.stale_connections"),
        "connections.notes_stay",
    ),
    Assumption(
        "log_name",
        "What layers log goes to the logger `mitmproxy.proxy.server`.",
        ("lean.inline_hooks",),
        "connections.log_name",
    ),
    Assumption(
        "listens",
        "`Proxyserver.servers` are what listens, each with its mode, addresses and last error, and "
        "`servers.changed` says when that changes.",
        ("interception.own_addresses", "lifetime.draining", "listening", "serve"),
        "connections.listens",
    ),
    Assumption(
        "original_destination",
        "In transparent mode a client's `sockname` and its server's `address` are where the client meant to go.",
        ("request_of", "interception.own_ports", "interception.scope"),
        "connections.original_destination",
    ),
    # What reads a connection.
    Assumption(
        "chosen_layer_stays",
        "mitmproxy's own choice of a layer stands back behind one that an earlier addon has made.",
        ("interception.scope",),
        "tunnels.chosen_layer_stays",
        at_start=True,
    ),
    Assumption(
        "write_buffers",
        "asyncio's `_SelectorSocketTransport.write` adds what the socket does not take to the end of `_buffer`, and "
        "`_maybe_pause_protocol` looks at how much that is; `_eof` and `_empty_waiter` say when nothing may be added.",
        ("wire.write_buffers",),
        "connections.write_buffers",
    ),
    Assumption(
        "client_hello_comes",
        "`ClientTLSLayer` gives what comes to `receive_handshake_data`, keeps it in `recv_buffer` until "
        "`client_hello_parsed`, and ends a handshake whose ClientHello cannot be parsed with an error that says so.",
        ("wire.client_hellos", "interception.tls_failures"),
        "tunnels.client_hello_comes",
    ),
    Assumption(
        "hello_extensions",
        "`ClientHello.extensions` are pairs of a number and the bytes of its body.",
        ("interception.client_hello",),
        "tunnels.hello_extensions",
        at_start=True,
    ),
    Assumption(
        "layers_handle",
        "`Layer.handle_event` gives an event to `_handle_event` and passes on what that yields; what a blocking "
        "command is answered, the `yield` returns.",
        ("interception.tunnels", "interception.silent_tunnels", "wire.early_answer", "lean.inline_hooks"),
        "tunnels.layers_handle",
        private=("_handle_event",),
    ),
    Assumption(
        "next_layer_class",
        "Wherever a tunnel begins `NextLayer` is taken from the globals of `mitmproxy.proxy.layer`, and what the "
        "tunnel is in stands last in `context.layers`.",
        ("interception.silent_tunnels", "interception.scope"),
        "tunnels.next_layer_class",
        private=("mitmproxy.proxy.layers.http._upstream_proxy",),
    ),
    Assumption(
        "next_layer_starts",
        "`NextLayer._handle_event` gets `Start` first, and hands all on by `_handle` once there is a layer.",
        ("interception.silent_tunnels",),
        "tunnels.next_layer_starts",
        private=("_handle_event", "_handle", "_ask_on_start"),
    ),
    Assumption(
        "hooks_pass_a_tunnel",
        "What a layer in a tunnel says of no connection passes the stream of the CONNECT as it is, and a layer that "
        "is still to be chosen does not stand in `context.layers`.",
        ("interception.tunnels",),
        "tunnels.hooks_pass_a_tunnel",
    ),
    Assumption(
        "quic_by_first_bytes",
        "`_starts_like_quic` tells QUIC from other datagrams, but for ports on which QUIC is usual.",
        ("interception.scope",),
        "tunnels.quic_by_first_bytes",
        private=("mitmproxy.addons.next_layer._starts_like_quic",),
    ),
    Assumption(
        "tls_in_order",
        "TLS with upstream stands above TLS with the client in `context.layers`; each knows its connection, and "
        "`tls` is OpenSSL's.",
        ("interception.scope", "interception.tunnels", "wire.broken_bodies"),
        "tunnels.tls_in_order",
    ),
    Assumption(
        "upstream_names",
        "`TlsConfig.tls_start_server` leaves a TLS connection that an addon has made, and goes by `sni` and `address`.",
        ("interception.server_name",),
        "tunnels.upstream_names",
    ),
    Assumption(
        "tunnels_carry",
        "A `TunnelLayer` carries `conn` within `tunnel_connection`, for its `child_layer`, and ends the one with "
        "the other.",
        ("wire.closed_connections", "wire.stale_connections"),
        "tunnels.tunnels_carry",
    ),
    Assumption(
        "tls_ends",
        "`TLSLayer` hears by `receive_close` that nothing more comes from below, and sends by `send_data`, on `tls`.",
        ("wire.tls_ends",),
        "tunnels.tls_ends",
    ),
    Assumption(
        "tls_reads",
        "`TLSLayer` reads by `tls.recv` what has come, and a connection of pyOpenSSL may have a `recv` of its own, and "
        "OpenSSL says whether it goes on with a session.",
        ("interception.silent_clients",),
        "tunnels.tls_reads",
        private=("_lib", "_ssl"),
    ),
    Assumption(
        "error_pages",
        "HTTP/1, HTTP/2 and HTTP/3 each make an error page by `format_error(status_code, message)` of their module.",
        ("wire.error_pages",),
        "http1.error_pages",
        private=(_BASE, _HTTP1, _HTTP2, _HTTP3),
    ),
    Assumption(
        "waits_for_hello",
        "`ServerTLSLayer.start_handshake` sets `wait_for_clienthello` where a client's TLS is above it, and is called "
        "again when that has begun; `_handle_event` is looked up for each event.",
        ("wire.before_hello",),
        "tunnels.waits_for_hello",
        private=("_handle_event",),
    ),
    Assumption(
        "chosen_by_events",
        "`NextLayer` asks by `_handle_event` which layer is to follow, and hands that all `events`.",
        ("wire.before_hello",),
        "tunnels.chosen_by_events",
        private=("_handle_event",),
    ),
    # HTTP/1.
    Assumption(
        "head_buffer",
        "HTTP/1 connections take `ReceiveBuffer`, h11's, from the globals of `_http1`; it keeps bytes in `_data`, "
        "and takes them out by `_extract`.",
        ("wire.heads",),
        "http1.head_buffer",
        at_start=True,
        private=(_HTTP1, "h11._receivebuffer", "_data", "_extract"),
    ),
    Assumption(
        "unreadable_heads",
        "A head is what `maybe_extract_lines` returns, and a chunk's length what `maybe_extract_next_line` does; "
        "one that cannot be read ends the connection.",
        ("wire.heads",),
        "http1.unreadable_heads",
        private=(_HTTP1, "h11._receivebuffer"),
    ),
    Assumption(
        "chunked_reader",
        "`make_body_reader` takes `ChunkedReader`, h11's, from the globals of `_http1`; its end has the trailers, and "
        "it is `_reading_trailer` behind the last chunk, and reads what ends a chunk with the next.",
        ("wire.trailers",),
        "http1.chunked_reader",
        at_start=True,
        private=(_HTTP1, "h11._readers", "h11._receivebuffer", "_reading_trailer", "_data"),
    ),
    Assumption(
        "lengths_are_parsed",
        "`expected_http_body_size` and `validate_headers` read a length by `validate.parse_content_length`, and hand "
        "on its `ValueError`.",
        ("wire.lengths",),
        "http1.lengths_are_parsed",
    ),
    Assumption(
        "request_heads",
        "`Http1Server` reads a head by `http1.read_request_head`, whose `ValueError` is a 400; neither that nor a "
        "request without a host calls a hook.",
        ("wire.request_lines", "wire.http1_server"),
        "http1.request_heads",
    ),
    Assumption(
        "broken_chunks",
        "`Http1Server` has `read_headers` hand a head on and then `read_body`, which closes the connection where it "
        "cannot read a chunk.",
        ("wire.http1_server",),
        "http1.broken_chunks",
        private=(_HTTP1, _EVENTS, _BASE),
    ),
    Assumption(
        "body_ends",
        "What comes of an answer's body goes to `self.read_body`, its end too; without a length `body_reader` is an "
        "`Http10Reader`, h11's.",
        ("wire.broken_bodies",),
        "http1.body_ends",
        at_start=True,
        private=(_HTTP1, "h11._readers"),
    ),
    Assumption(
        "framing",
        "`Http1Client` frames a body by the request's own `Transfer-Encoding`, also of a request that came by HTTP/2.",
        ("wire.http1_client",),
        "http1.framing",
        at_start=True,
        private=(_HTTP1,),
    ),
    Assumption(
        "serving_states",
        "Between requests an `Http1Server` is in the state `read_headers`, with what has come of a head in `buf`; "
        "`request` and `response` are those under way.",
        ("lean.inline_hooks", "lifetime.in_flight", "wire.discard", "wire.broken_bodies"),
        "http1.serving_states",
        private=(_HTTP1,),
    ),
    Assumption(
        "replies_by_send",
        "An `Http1Server` is told of an answer by `self.send`.",
        ("lifetime.in_flight", "lifetime.draining"),
        "http1.replies_by_send",
        private=(_HTTP1,),
    ),
    Assumption(
        "answers_end",
        "`Http1Server.send` is told of the end of an answer by `ResponseEndOfMessage`, and then calls `mark_done`.",
        ("wire.http1_server",),
        "http1.answers_end",
        private=(_EVENTS, _HTTP1),
    ),
    Assumption(
        "closes_when_told",
        "`Connection: close` on an answer ends the HTTP/1 connection with it, also where it came to stand there later.",
        ("lifetime.in_flight", "wire.early_answer"),
        "http1.closes_when_told",
    ),
    Assumption(
        "unanswered",
        "An HTTP/1 connection that ends before its answer begins fails the request, with nothing in `buf`.",
        ("wire.stale_connections",),
        "http1.unread_answers",
        private=(_HTTP1,),
    ),
    Assumption(
        "body_sizes",
        "`expected_http_body_size` is None for chunks, -1 up to the end of the connection, else the length, and "
        "raises `ValueError` where that is no number.",
        ("request_of", "lifetime.in_flight", "wire.discard"),
        "http_layer.body_sizes",
    ),
    # HTTP/2.
    Assumption(
        "http2_connection_class",
        "Whatever speaks HTTP/2 takes `BufferedH2Connection` from the globals of `_http2`.",
        ("wire.back_pressure",),
        "http2.connection_class",
        at_start=True,
        private=(_HTTP2, "mitmproxy.proxy.layers.http._http_h2"),
    ),
    Assumption(
        "frames_one_by_one",
        "h2's `receive_data` takes frame by frame from `incoming_buffer`, and what that does not give stays in its "
        "`_data`; each frame goes through its `_update_header_buffer`.",
        ("wire.http2_reading",),
        "http2.frames_one_by_one",
        at_start=True,
        private=(_HTTP2, "_data", "_update_header_buffer"),
    ),
    Assumption(
        "closed_streams",
        "h2 notes how streams were closed, of `MAX_CLOSED_STREAMS` at most.",
        ("wire.back_pressure",),
        "http2.closed_streams",
    ),
    Assumption(
        "reset_streams",
        "A stream that the client resets, or h2 because of what the client sent, is a `StreamReset` for "
        "`handle_h2_event`; `streams` may be replaced.",
        ("wire.http2_server",),
        "http2.reset_streams",
        private=(_HTTP2,),
    ),
    Assumption(
        "empty_data",
        "`Http2Connection.handle_h2_event` is told of data without bytes, also by the classes below it.",
        ("wire.http2_server",),
        "http2.empty_data",
        at_start=True,
        private=(_HTTP2,),
    ),
    Assumption(
        "head_encoder",
        "`H2Connection`, h2's, takes `Encoder`, hpack's, from its module's globals, and writes each field by `add`.",
        ("wire.http2_heads",),
        "http2.head_encoder",
    ),
    Assumption(
        "gives_room",
        "It gives room by `acknowledge_received_data`, for all of a body that it has handed on.",
        ("wire.back_pressure",),
        "http2.gives_room",
        private=(_HTTP2, "mitmproxy.proxy.layers.http._http_h2"),
    ),
    Assumption(
        "announced_room",
        "What `local_settings` say when the connection is made is announced to the peer.",
        ("wire.back_pressure",),
        "http2.announced_room",
    ),
    Assumption(
        "waiting_data",
        "`stream_buffers` hold what the peer has no room for, by stream.",
        ("wire.back_pressure", "lifetime.in_flight"),
        "http2.waiting_data",
    ),
    Assumption(
        "stream_numbers",
        "An `Http2Client` knows its own number of a stream by ours and ours by its own, `streams` are in flight, "
        "and what upstream does not serve yet waits in `stream_queue`.",
        ("wire.back_pressure", "wire.http2_client"),
        "http2.stream_numbers",
        private=(_HTTP2,),
    ),
    Assumption(
        "event_by_event",
        "h2's events go to `self.handle_h2_event` one by one, until it says that the connection is over.",
        ("lifetime.in_flight", "wire.http2_client"),
        "http2.event_by_event",
        private=(_HTTP2,),
    ),
    Assumption(
        "told_as_a_layer",
        "Whatever speaks HTTP/2 has `handle_event` from `Layer`.",
        ("wire.back_pressure",),
        "http2.told_as_a_layer",
        private=(_HTTP2,),
    ),
    Assumption(
        "goaway_frames",
        "h2 finds what takes a GOAWAY frame in `_frame_dispatch_table`.",
        ("wire.http2_client",),
        "http2.goaway_frames",
        private=("_frame_dispatch_table",),
    ),
    Assumption(
        "unexpected_lengths",
        "h2 holds a body to `_expected_content_length`, and to none where that is None.",
        ("wire.discard",),
        "http2.unexpected_lengths",
        private=("_expected_content_length",),
    ),
    Assumption(
        "closing",
        "The end of an HTTP/2 connection fails all in `streams`, and what comes later is for `done`.",
        ("wire.http2_client",),
        "http2.closing",
        private=(_HTTP2, "_handle_event"),
    ),
    Assumption(
        "answered_streams",
        "A stream of an `Http2Server` whose answer is out before its request is neither closed nor open for us.",
        ("wire.discard", "lifetime.draining", "lifetime.in_flight"),
        "http2.answered_streams",
        private=(_HTTP2,),
    ),
    # Streams and connections to upstream.
    Assumption(
        "switching_protocols",
        "`Http1Client.read_headers` yields each answer's head, a 101 too, and keeps the request as the client sent it.",
        ("wire.http1_client",),
        "http1.switching_protocols",
        private=(_HTTP1,),
    ),
    Assumption(
        "http_events",
        "Between connections and streams go the events of `_events`, within the commands of `_base`.",
        (
            "lifetime.in_flight",
            "wire.back_pressure",
            "wire.broken_bodies",
            "wire.discard",
            "wire.early_answer",
            "wire.http1_client",
            "wire.http2_client",
            "wire.stale_connections",
        ),
        "http_layer.http_events",
        private=(_EVENTS, _BASE, _HOOKS),
    ),
    Assumption(
        "stream_class",
        "`HttpLayer.make_stream` takes `HttpStream` from the globals of `mitmproxy.proxy.layers.http`.",
        ("wire.early_answer",),
        "streams.stream_class",
        at_start=True,
    ),
    Assumption(
        "stream_below_its_layer",
        "The `HttpLayer` of a stream stands right above it in `context.layers`.",
        (
            "lean.inline_hooks",
            "wire.discard",
            "wire.stale_connections",
            "wire.broken_bodies",
            "lifetime.in_flight",
        ),
        "http_layer.stream_below_its_layer",
    ),
    Assumption(
        "pipelined_requests_wait",
        "Of requests that an HTTP/1 client sends ahead, each waits in `Http1Server.buf` until the one before it has "
        "been answered.",
        ("lean.inline_hooks",),
        "http_layer.pipelined_requests_wait",
        private=(_HTTP1,),
    ),
    Assumption(
        "streams_by_number",
        "`HttpLayer.streams` holds a stream by its number, from its head on and up to `DropStream`.",
        ("wire.discard", "wire.back_pressure", "wire.closed_connections", "lifetime.in_flight"),
        "http_layer.streams_by_number",
    ),
    Assumption(
        "speakers_by_connection",
        "`HttpLayer.connections` finds what speaks on a connection, the client's and those to upstream, for what is "
        "sent there.",
        (
            "lean.inline_hooks",
            "lifetime.in_flight",
            "wire.back_pressure",
            "wire.broken_bodies",
            "wire.closed_connections",
            "wire.discard",
            "wire.stale_connections",
        ),
        "http_layer.speakers_by_connection",
    ),
    Assumption(
        "wakes_by_source",
        "A wake-up goes to what `HttpLayer.command_sources` has for it, which is noted before whoever asked goes on.",
        ("wire.discard", "wire.back_pressure", "lifetime.in_flight"),
        "http_layer.wakes_by_source",
    ),
    Assumption(
        "refuses_first",
        "What mitmproxy itself refuses has an `error` when `requestheaders` is triggered, and goes nowhere.",
        ("addon", "interception.own_ports", "lean.lean_master"),
        "streams.refuses_first",
        at_start=True,
    ),
    Assumption(
        "flows_take_notes",
        "A flow keeps an attribute that mitmproxy knows nothing of, and a copy of it has none.",
        ("addon",),
        "streams.flows_take_notes",
        at_start=True,
    ),
    Assumption(
        "messages_hold_types",
        "`MessageData.__post_init__` does no more than hold each field against its type.",
        ("lean.shortcuts",),
        "objects.messages_hold_types",
    ),
    Assumption(
        "contexts_fork",
        "A `Context` is `client`, `server`, `options` and `layers`; `fork` keeps the first three and copies the last.",
        ("lean.shortcuts",),
        "objects.contexts_fork",
    ),
    Assumption(
        "headers_are_fields",
        "`Headers` are looked up in `fields` in any case; values are UTF-8, and `get` joins them.",
        ("lean.shortcuts",),
        "objects.headers_are_fields",
        at_start=True,
    ),
    Assumption(
        "options_are_copied",
        "An option is read by `_Option.current`, which copies its `value`, or its `default` where that is `unset`.",
        ("lean.shortcuts",),
        "objects.options_are_copied",
        private=("mitmproxy.optmanager._Option",),
    ),
    Assumption(
        "crl_by_store",
        "`TlsConfig.crl_path` goes by its `certstore` alone, and a new one has a path of its own.",
        ("lean.shortcuts",),
        "objects.crl_by_store",
    ),
    Assumption(
        "hooks_are_commands",
        "A stream yields a hook about its flow as a command whose `blocking` is True; one that has passed a layer "
        "has another value.",
        ("lean.inline_hooks",),
        "streams.hooks_are_commands",
        private=(_HOOKS, _HTTP1, "_handle_event"),
    ),
    Assumption(
        "asks_early",
        "`HttpStream` calls `check_killed` once when `requestheaders` is through, before it asks for a body, and "
        "goes no further if that says so.",
        ("wire.early_answer",),
        "streams.asks_early",
        at_start=True,
    ),
    Assumption(
        "asks_by_piece",
        "`HttpStream` calls `check_body_size` with each piece of a body that it waits for, which then is in "
        "`request_body_buf`.",
        ("wire.early_answer",),
        "streams.asks_by_piece",
        at_start=True,
    ),
    Assumption(
        "asks_late",
        "`HttpStream` calls `check_killed` in `state_done` when `request` is through, and before it connects to "
        "upstream.",
        ("wire.early_answer",),
        "streams.asks_late",
        at_start=True,
    ),
    Assumption(
        "trailers_are_events",
        "`HttpStream._handle_event` gets every event of a request, its trailers as one of their own.",
        ("wire.early_answer",),
        "streams.trailers_are_events",
        at_start=True,
        private=("_handle_event",),
    ),
    Assumption(
        "one_way_upstream",
        "`make_server_connection` is the only way of a request to its upstream, and nothing goes if it says so.",
        ("wire.early_answer", "wire.stale_connections"),
        "streams.one_way_upstream",
        at_start=True,
    ),
    Assumption(
        "stream_states",
        "`client_state` and `server_state` of a stream are the methods `state_…` that say how far it is.",
        ("wire.early_answer", "wire.discard", "wire.back_pressure", "wire.stale_connections"),
        "streams.stream_states",
    ),
    Assumption(
        "held_bodies_can_stream",
        "A body that is waited for can go on by `start_request_stream` when some of it has come.",
        ("wire.early_answer",),
        "streams.held_bodies_can_stream",
    ),
    Assumption(
        "held_answers_can_stream",
        "Upstream's body that is waited for can go on by `start_response_stream` when some of it has come.",
        ("wire.early_answer",),
        "streams.held_answers_can_stream",
    ),
    Assumption(
        "paused_events",
        "What comes while a stream waits for a hook or a connection waits in `_paused_event_queue`.",
        ("wire.early_answer", "wire.back_pressure", "wire.stale_connections"),
        "streams.paused_events",
        private=("_paused_event_queue",),
    ),
    Assumption(
        "waiting_events",
        "`Layer` and `TunnelLayer` make the queues of events that wait in `__init__`; they only add to their end, go "
        "through them from the beginning, and clear them.",
        ("wire.waiting",),
        "tunnels.waiting_events",
        private=(_EVENTS, "_paused_event_queue"),
    ),
    Assumption(
        "waiting_by_stream",
        "`stream_buffers` make a `deque` for each stream, and `stream_queue` a list, to whose end alone they add.",
        ("wire.waiting", "wire.back_pressure", "wire.http2_client"),
        "http2.waiting_by_stream",
        private=("mitmproxy.proxy.layers.http._http_h2",),
    ),
    Assumption(
        "waits_between_requests",
        "An `Http1Connection` whose message is whole and not yet answered is in the state `wait`, and keeps what comes "
        "in `buf`.",
        ("wire.back_pressure",),
        "http1.waits_between_requests",
        private=(_HTTP1,),
    ),
    Assumption(
        "stream_errors",
        "What went wrong with a connection goes to `handle_protocol_error` of its streams.",
        ("wire.early_answer", "wire.stale_connections"),
        "streams.stream_errors",
    ),
    Assumption(
        "connect_failed",
        "A connection to upstream that cannot be made is `CONNECT_FAILED` there.",
        ("wire.stale_connections",),
        "streams.connect_failed",
    ),
    Assumption(
        "wanted_connection",
        "`GetHttpConnection` says which connection a request wants, and which of those that there are it may have.",
        ("wire.stale_connections",),
        "streams.wanted_connection",
    ),
    Assumption(
        "kept_connections",
        "A request goes out on a connection in `HttpLayer.connections` if that can be written to; if it has an "
        "`error` that is the answer, and else there is another connection.",
        ("wire.closed_connections", "wire.http2_client", "wire.stale_connections"),
        "http_layer.kept_connections",
    ),
    Assumption(
        "registers_once",
        "`HttpLayer.register_connection` is called once for each connection that was tried, and what waited for it "
        "no longer stands in `waiting_for_establishment`.",
        ("wire.closed_connections",),
        "http_layer.registers_once",
    ),
    Assumption(
        "http1_client_class",
        "`HttpLayer` and `HttpClient` take `Http1Client` from the globals of `mitmproxy.proxy.layers.http`, and it "
        "is the `child_layer`.",
        ("wire.http1_client", "wire.stale_connections"),
        "http1.client_class",
        at_start=True,
        private=(_HTTP1,),
    ),
    Assumption(
        "http2_client_class",
        "They take `Http2Client` from there as well.",
        ("wire.http2_client", "wire.back_pressure"),
        "http2.client_class",
        at_start=True,
        private=(_HTTP2,),
    ),
    Assumption(
        "http2_server_class",
        "`HttpLayer` takes `Http2Server` from there as well, and it hears of a request that mitmproxy resets by a "
        "`ResponseProtocolError` whose code is `KILL`.",
        ("wire.http2_server",),
        "http2.server_class",
        at_start=True,
        private=(_EVENTS, _HTTP2, "_handle_event"),
    ),
    Assumption(
        "paused_streams",
        "A stream that waits for a connection to upstream holds the command and the generator in `_paused`; the "
        "command stands in `command_sources` and `waiting_for_establishment`, and nothing goes on without it.",
        ("wire.abandoned", "wire.closed_connections"),
        "http_layer.paused_streams",
        private=(_EVENTS, "_paused", "_paused_event_queue"),
    ),
    Assumption(
        "websocket_layer_class",
        "`HttpStream` takes `WebsocketLayer` from the globals of `mitmproxy.proxy.layers.websocket`, tells it what "
        "comes of both sides, and passes on what that sends and when it is to be woken.",
        ("wire.websockets",),
        "tunnels.websocket_layer_class",
        at_start=True,
        private=("_handle_event",),
    ),
    Assumption(
        "websocket_messages",
        "`WebsocketLayer` handles what comes in `relay_messages`, keeps a message whose end has not come in the "
        "`frame_buf` of `client_ws` or `server_ws`, and is over in the state `done`.",
        ("wire.websockets",),
        "tunnels.websocket_messages",
        private=("_handle_event",),
    ),
    Assumption(
        "messages_may_go",
        "A WebSocket's messages are in `flow.websocket.messages`, and one can be forgotten before it is sent.",
        ("wire.websockets",),
        "tunnels.messages_may_go",
    ),
    # The master.
    Assumption(
        "chain_changes",
        "`AddonManager.chain` changes in `add`, `remove` and `clear` only, and `add` registers what comes.",
        ("lean.dispatch",),
        "addon_manager.chain_changes",
    ),
    Assumption(
        "core_triggers",
        "All that the master and the proxy core call is `trigger_event` and `handle_lifecycle`, which also triggers "
        "`update`.",
        ("lean.dispatch",),
        "addon_manager.core_triggers",
    ),
    Assumption(
        "traversal",
        "`traverse` gives an addon and those below it, in the order in which they are called.",
        ("lean.dispatch",),
        "addon_manager.traversal",
    ),
    Assumption(
        "hooks_are_keys",
        "A hook is a key of a mapping, by what it is and not by what it holds; it has a name and arguments.",
        ("lean.dispatch",),
        "addon_manager.hooks_are_keys",
    ),
    Assumption(
        "found_by_name",
        "`AddonManager.get` finds an addon by its name, also below another.",
        ("listening", "settings", "serve", "lifetime.in_flight"),
        "addon_manager.found_by_name",
    ),
    Assumption(
        "empty_master",
        "`Master.__init__` makes an `AddonManager` that holds nothing before the first addon.",
        ("lean.lean_master",),
        "addon_manager.empty_master",
    ),
    Assumption(
        "runs_the_proxyserver",
        "`Master.run` finds the addon `proxyserver` by name, and does without `errorcheck`.",
        ("lean.lean_master", "serve"),
        "addon_manager.runs_the_proxyserver",
    ),
    Assumption(
        "legacy_log",
        "`LegacyLogEvents` serves addons that listen to `add_log`, and nothing else.",
        ("lean.lean_master",),
        "addon_manager.legacy_log",
        private=("_legacy_log_events",),
    ),
    Assumption(
        "h2c_by_head",
        "`DisableH2C.process_flow` needs no more of a request than its headers.",
        ("lean.lean_master",),
        "addon_manager.h2c_by_head",
    ),
    Assumption(
        "web_master",
        "`WebMaster` can do without `termlog`, loads `errorcheck`, which has an end, and knows its `web_url`.",
        ("serve", "listening"),
        "addon_manager.web_master",
    ),
    Assumption(
        "option_names",
        "The options that would undo the guard are called as we call them.",
        ("options", "settings"),
        "addon_manager.option_names",
    ),
)
