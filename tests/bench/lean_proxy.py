"""The lean proxy without a policy: what the checks of orgfence are compared with. Arguments: mode, port, CA file."""

import asyncio
import sys

from mitmproxy.options import Options
from mitmproxy.proxy.layers import http as http_layers

from orgfence.proxy.lean.inline_hooks import inline_stream
from orgfence.proxy.lean.lean_master import LeanMaster


async def main(mode: str, port: int, ca_file: str | None = None) -> None:
    """Run until killed."""
    options = Options()
    master = LeanMaster(options)
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
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
