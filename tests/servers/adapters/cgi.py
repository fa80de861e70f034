"""Perl's CGI: it parts cookies at commas and decodes their names, as old servers did, and knows `%uXXXX`: `cgi.pl`."""

import shutil
from pathlib import Path

from tests.servers.line_process import LineProcess, LineServer
from tests.servers.server import Channel, MissingServer, Server

_CHANNELS = frozenset({Channel.QUERY, Channel.FORM, Channel.COOKIE})


def start() -> Server:
    """Start the process."""
    perl = shutil.which("perl")
    if perl is None:
        raise MissingServer("there is no `perl` here")
    return LineServer("CGI", _CHANNELS, LineProcess([perl, "cgi.pl"], Path(__file__).parent))
