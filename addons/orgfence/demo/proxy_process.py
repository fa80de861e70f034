"""The real proxy, as a process of its own: started as anybody would start it, and ended with the demo."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from orgfence.demo import DemoError
from orgfence.demo.certificates import CA_FILE

# It listens within a second or two; a busy machine may take several times that.
_START_SECONDS = 30
# A line is written before its request goes on, and read a moment later.
_LOG_SECONDS = 10
# Log lines are short; a traceback on one line may not be.
_MAX_LINE_BYTES = 1024 * 1024
_HINT = "Try `orgfence run --listen 127.0.0.1:0 --admin 127.0.0.1:0`, which needs no more than a proxy does"


class ProxyProcess:
    """`orgfence run`, listening."""

    def __init__(self) -> None:
        self.url = ""
        self.metrics_url = ""
        #: The certificate that its clients have to trust.
        self.ca = Path()
        #: Each line that it wrote so far.
        self.lines: list[str] = []
        #: Gets each further line.
        self.on_line: Callable[[str], None] = lambda _: None
        #: Set when the process has ended.
        self.ended = asyncio.Event()
        self._changed = asyncio.Event()

    @property
    def written(self) -> str:
        """All that it wrote so far, for a message."""
        return "The proxy wrote:\n\n" + "\n".join(self.lines) if self.lines else "The proxy wrote nothing"

    async def read(self, stream: asyncio.StreamReader) -> None:
        """Take in what it writes until it ends."""
        async for raw in stream:
            line = raw.decode("utf-8", "replace").rstrip()
            self.lines.append(line)
            self._changed.set()
            self.on_line(line)
        self.ended.set()
        self._changed.set()

    async def wait_until_listening(self) -> None:
        """Wait for the line that says where it listens. Raises `DemoError` if it ends without one."""
        while True:
            for line in self.lines:
                if self._is_announcement(line):
                    return
            if self.ended.is_set():
                raise DemoError(f"the proxy ended before it listened. {_HINT}. {self.written}")
            self._changed.clear()
            await self._changed.wait()

    async def logged(self, reason: str) -> dict[str, Any]:
        """Wait for the log line of a finding, and return it."""
        try:
            async with asyncio.timeout(_LOG_SECONDS):
                while True:
                    self._changed.clear()
                    for line in self.lines:
                        event = json.loads(line)
                        if event.get("reason") == reason:
                            return dict(event)
                    await self._changed.wait()
        except (TimeoutError, ValueError):
            raise DemoError(f"the proxy did not log `{reason}`. {self.written}") from None

    def _is_announcement(self, line: str) -> bool:
        with suppress(ValueError, KeyError, TypeError, IndexError):
            event = json.loads(line)
            if event["event"] == "listening":
                self.url = f"http://{event['proxy'][0]['addresses'][0]}"
                self.metrics_url = f"http://{event['admin']}/metrics"
                self.ca = Path(event["ca"])
                return True
        return False


@asynccontextmanager
async def running_proxy(folder: Path, policy: Path) -> AsyncIterator[ProxyProcess]:
    """Run the proxy on free ports by this policy, with its own CA in the folder, until the end of the block."""
    # -P: what lies in the folder that the demo was started from must not be taken for a module.
    python = [sys.executable, "-P", "-m"]
    listen = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
    options = [f"confdir={folder / 'confdir'}", f"ssl_verify_upstream_trusted_ca={folder / CA_FILE}"]
    command = [*python, "orgfence", "run", "--policy", str(policy), *listen]
    for option in options:
        command += ["--set", option]
    keeper = await asyncio.create_subprocess_exec(
        *(*python, "orgfence.demo.keeper", str(folder), *command),
        stdin=PIPE,
        stdout=PIPE,
        stderr=STDOUT,
        limit=_MAX_LINE_BYTES,
        # Ctrl-C in the terminal is for the demo, which then ends its proxy in order.
        start_new_session=True,
    )
    assert keeper.stdin is not None
    assert keeper.stdout is not None
    proxy = ProxyProcess()
    reading = asyncio.create_task(proxy.read(keeper.stdout))
    try:
        try:
            async with asyncio.timeout(_START_SECONDS):
                await proxy.wait_until_listening()
        except TimeoutError:
            raise DemoError(f"the proxy did not listen within {_START_SECONDS} s. {_HINT}. {proxy.written}") from None
        yield proxy
    finally:
        keeper.stdin.close()
        await keeper.wait()
        await reading
