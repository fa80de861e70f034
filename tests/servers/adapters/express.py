"""Express and what it parses with, in one process of Node: `tests/node/read_names.mjs`."""

import shutil
from pathlib import Path

from tests.servers.line_process import LineProcess, LineServer
from tests.servers.server import Channel, MissingServer, Server

_FOLDER = Path(__file__).parents[2] / "node"


def start() -> Server:
    """Start the process."""
    node = shutil.which("node")
    if node is None or not (_FOLDER / "node_modules" / "express").is_dir():
        raise MissingServer("there is no `node` here, or `npm ci --prefix tests/node` was not run")
    process = LineProcess([node, "read_names.mjs"], _FOLDER)
    return LineServer("Express", frozenset(Channel), process)
