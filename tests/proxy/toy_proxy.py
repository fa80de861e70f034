"""A lean proxy with a toy gate, run as a child process by the tests of the proxy's inside.

Its argument is a JSON object: `options` (mitmproxy's), `bounds` (the discard's), `sabotage` (true:
mitmproxy no longer asks the gate), `deaf_to_bodies` (true: it no longer asks it about what was held) and `paused`
(true: requests pause for each hook, as in stock mitmproxy). It says where it listens as JSON.

What a request wants of the toy stands in its header `X-Toy`: `block`, `trailers` (a block with trailers),
`raise` (in the gate), `die` (in a hook), `stream`, `slow` (to be waited for in `response`), `hold` (for a body of up to
10 bytes, which is blocked where it says `block` or is longer), `hold-raise` (and then raise in the gate), `hold-pass`
(longer ones pass). Flows of `/kept` are kept. Paths below `/toy/` are answered by the toy itself.
"""

# mypy: allow-untyped-calls
# Some of mitmproxy's methods have no annotations.

import asyncio
import collections
import gc
import json
import logging
import signal
import sys
from collections.abc import Awaitable

from mitmproxy import ctx, http
from mitmproxy.options import Options
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import HttpStream

from orgfence.proxy.held_bodies import HeldBodies
from orgfence.proxy.lean.inline_hooks import inline_stream
from orgfence.proxy.lean.lean_master import LeanMaster
from orgfence.proxy.wire import trailers
from orgfence.proxy.wire.discard import DiscardBounds
from orgfence.proxy.wire.early_answer import EarlyAnswerStream, install
from orgfence.proxy.wire.gate import Hold

BLOCK_BODY = b'{"blocked": true}'


class Toy:
    """Both the gate and an addon that writes down which hooks were called for which path."""

    def __init__(self) -> None:
        self.held = HeldBodies(lambda: 2**30, keeps=True)
        self.calls: collections.defaultdict[str, list[str]] = collections.defaultdict(list)
        self.kept: list[http.HTTPFlow] = []

    def running(self) -> None:
        addresses = ctx.master.addons.get("proxyserver").listen_addrs()
        sys.stdout.write(json.dumps({"listening": addresses}) + "\n")
        sys.stdout.flush()

    def answer_early(self, flow: http.HTTPFlow) -> http.Response | Hold | None:
        if flow.request.path.startswith("/toy/"):
            return http.Response.make(200, json.dumps(self._report(flow.request.path)))
        wish = flow.request.headers.get("x-toy", "")
        if wish == "raise":
            raise ValueError("the secret " + flow.request.headers["x-secret"])
        if wish.startswith("hold"):
            return Hold(10)
        if wish in ("", "die", "stream", "slow"):
            return None
        response = blocked()
        if wish == "trailers":
            response.trailers = http.Headers(status="7")
        return response

    def answer_held(self, flow: http.HTTPFlow) -> http.Response | None:
        self._note("answer_held", flow)
        self._raise_if_wished(flow)
        return blocked() if flow.request.raw_content == b"block" else None

    def answer_unread(self, flow: http.HTTPFlow) -> http.Response | None:
        self._note("answer_unread", flow)
        self._raise_if_wished(flow)
        return None if flow.request.headers["x-toy"] == "hold-pass" else blocked()

    def limit_of_answer(self, flow: http.HTTPFlow) -> int | None:
        return None

    def answer_too_long(self, flow: http.HTTPFlow) -> None:
        raise NotImplementedError

    def _raise_if_wished(self, flow: http.HTTPFlow) -> None:
        if flow.request.headers["x-toy"] == "hold-raise":
            raise ValueError("the secret " + flow.request.headers["x-secret"])

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        self._note("requestheaders", flow)
        wish = flow.request.headers.get("x-toy", "")
        # What the gate holds is not streamed, whatever an addon says.
        flow.request.stream = wish == "stream" or wish.startswith("hold")
        if wish == "die":
            raise ValueError("the secret " + flow.request.headers["x-secret"])

    async def request(self, flow: http.HTTPFlow) -> None:
        self._note("request", flow)
        await asyncio.sleep(0)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        self._note("responseheaders", flow)

    def response(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        self._note("response", flow)
        if flow.request.path == "/kept":
            self.kept.append(flow)
        return asyncio.sleep(0.3) if flow.request.headers.get("x-toy") == "slow" else None

    def error(self, flow: http.HTTPFlow) -> None:
        self._note("error", flow)

    def refused_unread(self, *, is_request: bool) -> None:
        """Nobody asks how many were."""

    def _note(self, hook: str, flow: http.HTTPFlow) -> None:
        self.calls[flow.request.path].append(hook)

    def _report(self, path: str) -> object:
        if path.startswith("/toy/calls"):
            return self.calls[path.removeprefix("/toy/calls")]
        if path == "/toy/kept":
            return [_state(flow) for flow in self.kept]
        gc.collect()
        objects = gc.get_objects()
        flows = [each for each in objects if isinstance(each, http.HTTPFlow)]
        timers = [task for task in asyncio.all_tasks() if task.get_name().startswith("wakeup")]
        return {
            "streams": sum(isinstance(each, HttpStream) for each in objects),
            "flows": len(flows),
            "live": sum(flow.live for flow in flows),
            "timers": len(timers),
        }


def blocked() -> http.Response:
    return http.Response.make(403, BLOCK_BODY, {"Content-Type": "application/json"})


def _state(flow: http.HTTPFlow) -> object:
    request, response = flow.request, flow.response
    assert response is not None
    return {
        "live": flow.live,
        "error": flow.error and flow.error.msg,
        "content": None if request.raw_content is None else request.raw_content.decode(),
        "times": all((request.timestamp_end, response.timestamp_start, response.timestamp_end)),
    }


def _ask_about_headers_only() -> None:
    ask = EarlyAnswerStream.check_killed

    def check_killed(stream: EarlyAnswerStream, emit_error_hook: bool) -> CommandGenerator[bool]:
        is_early = stream.client_state == stream.state_wait_for_request_headers
        return (yield from (ask if is_early else HttpStream.check_killed)(stream, emit_error_hook))

    EarlyAnswerStream.check_killed = check_killed  # type: ignore[method-assign,assignment] # as above


async def main() -> None:
    """Run until SIGTERM."""
    wanted = json.loads(sys.argv[1])
    toy = Toy()
    trailers.install()
    master = LeanMaster(Options(), [toy])
    served_by = HttpStream if wanted.get("paused") else inline_stream(master.addons)
    install(toy, DiscardBounds(**wanted.get("bounds", {})), served_by=served_by)
    if wanted.get("sabotage"):
        # mypy knows that methods are not to be replaced.
        EarlyAnswerStream.check_killed = HttpStream.check_killed  # type: ignore[method-assign]
    if wanted.get("deaf_to_bodies"):
        _ask_about_headers_only()
    master.options.update(**wanted["options"])
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, master.shutdown)
    await master.run()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(main())
