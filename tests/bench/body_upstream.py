"""An upstream for large bodies and many connections: `python -m tests.bench.body_upstream PORT`.

`…?bytes=N` answers with so many bytes; a body that comes is read and thrown away; `/taken` says how many bytes it has
handed to the system; after `…?leave` it closes without a word. One asyncio protocol a connection, HTTP/1.1.
"""

import asyncio
import re
import sys

_BLOCK = bytes(256 * 1024)


class _Peer:
    #: Bytes of bodies that were written.
    taken = 0


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            await _read_body(head, reader)
            await _answer(head, writer)
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def _read_body(head: bytes, reader: asyncio.StreamReader) -> None:
    found = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    left = int(found[1]) if found else 0
    while left:
        data = await reader.read(min(left, len(_BLOCK)))
        if not data:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(data)


async def _answer(head: bytes, writer: asyncio.StreamWriter) -> None:
    target = head.split(b" ", 2)[1]
    wanted = re.search(rb"\?bytes=(\d+)", target)
    if wanted is None:
        body = str(_Peer.taken).encode() if target == b"/taken" else b"ok"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        if target.endswith(b"?leave"):
            writer.close()
        return
    left = int(wanted[1])
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % left)
    while left:
        part = _BLOCK[:left]
        writer.write(part)
        await writer.drain()
        left -= len(part)
        _Peer.taken += len(part)


async def _serve(port: int) -> None:
    server = await asyncio.start_server(_converse, "127.0.0.1", port, backlog=4096, limit=1 << 20)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
