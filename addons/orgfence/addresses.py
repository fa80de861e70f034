"""`HOST:PORT`, as it is written on command lines and shown in messages."""

type Address = tuple[str, int]


def parse_address(text: str) -> Address:
    """Return host and port of `host:port`, `[v6]:port` or `:port` (every address). Raises ValueError."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isdecimal() or not port.isascii() or int(port) > 65535:
        raise ValueError(f"`{text}` is no HOST:PORT. Write it as in `127.0.0.1:8080`")
    return host, int(port)


def shown(address: tuple[str, int]) -> str:
    """Return `host:port`, IPv6 in brackets, `*` for every address."""
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host or '*'}:{port}"
