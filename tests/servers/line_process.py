"""A server that is a process of its own: one for the whole session, asked by a line and answering by a line."""

import json
import os
import selectors
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.servers.server import Channel, MissingServer, Reads, Sent, Server, text_of

#: Seconds for one answer; a parser takes less than a millisecond, a busy machine more.
ANSWER_LIMIT = 20.0


class LineProcess:
    """Takes one JSON document a line on standard input, and answers each by one on standard output."""

    def __init__(self, command: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None) -> None:
        """Start the command. Its first line says what it is."""
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env=None if env is None else {**os.environ, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout.fileno()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._unread = b""
        try:
            self.hello = self._answer()
        except RuntimeError as error:
            raise MissingServer(f"{command[0]} does not start it: {error}") from None

    def ask(self, question: Mapping[str, str]) -> Any:
        """Return the answer to one question."""
        self._stdin.write(json.dumps(question).encode() + b"\n")
        self._stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        deadline = time.monotonic() + ANSWER_LIMIT
        while b"\n" not in self._unread:
            if not self._selector.select(max(0.0, deadline - time.monotonic())):
                self.close()
                raise RuntimeError(f"no answer within {ANSWER_LIMIT} s")
            data = os.read(self._stdout, 1 << 16)
            if not data:
                raise RuntimeError(f"it ended: {self._last_words()}")
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return json.loads(line)

    def _last_words(self) -> str:
        _, stderr = self._process.communicate()
        return stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]

    def close(self) -> None:
        """End the process."""
        self._selector.close()
        self._process.kill()
        self._process.communicate()


class LineServer(Server):
    """A server that such a process is."""

    def __init__(self, name: str, channels: frozenset[Channel], process: LineProcess) -> None:
        """The process's first line is its version."""
        self.name = name
        self.version = process.hello
        self.channels = channels
        self._process = process

    def read(self, sent: Sent, name: str) -> Reads:
        """Ask the process; it answers with values in hexadecimal."""
        if sent.channel not in self.channels:
            return {}
        answer = self._process.ask(
            {
                "channel": sent.channel,
                "data": sent.data.hex(),
                "type": sent.content_type.decode("latin-1"),
                "name": name,
            }
        )
        return decoded(answer)

    def close(self) -> None:
        """End the process."""
        self._process.close()


def decoded(answer: Mapping[str, list[str]]) -> Reads:
    """Return an answer's values as text."""
    return {label: [text_of(bytes.fromhex(value)) for value in values] for label, values in answer.items()}
