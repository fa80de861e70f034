"""The lean proxy without a policy: what the checks of orgfence are compared with.

Arguments: `mended` (all of orgfence's own HTTP, as `orgfence run` has it) or `bare` (mitmproxy's), mode, port, CA file.
"""

import asyncio
import sys

from mitmproxy import http
from mitmproxy.options import Options
from mitmproxy.proxy.layers import http as http_layers

from orgfence.proxy.held_bodies import HeldBodies
from orgfence.proxy.lean.inline_hooks import inline_stream
from orgfence.proxy.lean.lean_master import LeanMaster
from orgfence.proxy.wire import mending
from orgfence.proxy.wire.gate import Hold


class Open:
    """A gate that lets all through."""

    def __init__(self) -> None:
        self.held = HeldBodies(lambda: 2**30)

    def answer_early(self, flow: http.HTTPFlow) -> http.Response | Hold | None:
        """Let it through."""

    def answer_held(self, flow: http.HTTPFlow) -> http.Response | None:
        """Let it through."""

    def limit_of_answer(self, flow: http.HTTPFlow) -> int | None:
        """Hold none."""

    def answer_too_long(self, flow: http.HTTPFlow) -> None:
        """Never called, since none is held."""

    def answer_unread(self, flow: http.HTTPFlow) -> http.Response | None:
        """Let it through."""

    def refused_unread(self, *, is_request: bool) -> None:
        """Count none."""


async def main(kind: str, mode: str, port: int, ca_file: str | None = None) -> None:
    """Run until killed."""
    options = Options()
    master = LeanMaster(options)
    if kind == "mended":
        mending.install(Open(), master.addons)
    else:
        http_layers.HttpStream = inline_stream(master.addons)  # type: ignore[misc] # as `early_answer` does
    options.update(
        mode=[mode],
        listen_host="127.0.0.1",
        listen_port=port,
        rawtcp=False,
        keep_host_header=True,
        ssl_verify_upstream_trusted_ca=ca_file,
    )
    await master.run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:]))
