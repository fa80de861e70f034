"""Rack, which Rails, Sinatra and most else in Ruby read their requests with: `rack.rb`."""

import shutil
from pathlib import Path

from tests.servers.line_process import LineProcess, LineServer
from tests.servers.server import Channel, MissingServer, Server


def start() -> Server:
    """Start the process."""
    ruby = shutil.which("ruby")
    if ruby is None:
        raise MissingServer("there is no `ruby` here")
    return LineServer("Rack", frozenset(Channel), LineProcess([ruby, "rack.rb"], Path(__file__).parent))
