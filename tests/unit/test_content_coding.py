"""Undoing content codings: to the last byte, or not at all, and never much further than the limit."""

import gzip
import random
import tracemalloc
import zlib
from collections.abc import Callable

import brotli  # type: ignore[import-untyped]  # it ships neither annotations nor stubs
import pytest

from orgfence.core.content_coding import MAX_CODINGS, MAX_MEMBERS, undo_codings

LIMIT = 100_000
PLAIN = b'{"org": "acme"}'


def raw_deflate(plain: bytes) -> bytes:
    return zlib.compress(plain, wbits=-15)


def zlib_with_dictionary(plain: bytes) -> bytes:
    compressor = zlib.compressobj(zdict=b"acme")
    return compressor.compress(plain) + compressor.flush()


def gzipped(plain: bytes) -> bytes:
    """Compress without a time stamp, since the processes that share these tests compare their parameters."""
    return gzip.compress(plain, mtime=0)


CODERS: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": gzip.compress,
    b"deflate": zlib.compress,
    b"br": brotli.compress,
}


@pytest.mark.parametrize("fields", [[], [b""], [b" , "], [b"identity"], [b"Identity, identity"]])
def test_without_a_coding_a_body_is_itself(fields: list[bytes]) -> None:
    """And nothing else."""
    assert undo_codings(PLAIN, fields, LIMIT) == [PLAIN]


@pytest.mark.parametrize(
    ("name", "coding"), [(b"gzip", b"gzip"), (b"X-GZIP", b"gzip"), (b" Deflate\t", b"deflate"), (b"BR", b"br")]
)
def test_a_coding_is_undone_and_what_was_sent_stays_a_reading(name: bytes, coding: bytes) -> None:
    """Names of codings are case-insensitive."""
    coded = CODERS[coding](PLAIN)
    assert undo_codings(coded, [name], LIMIT) == [PLAIN, coded]


@pytest.mark.parametrize(
    "fields", [[b"br, deflate, identity, gzip"], [b"br,deflate", b"identity", b"gzip"], [b",br,", b"deflate ,, gzip"]]
)
def test_codings_are_undone_from_the_last_to_the_first(fields: list[bytes]) -> None:
    """Every step on the way is a reading: of a server that knows no more codings than those."""
    inner = brotli.compress(PLAIN)
    middle = zlib.compress(inner)
    outer = gzip.compress(middle)
    assert undo_codings(outer, fields, LIMIT) == [PLAIN, inner, middle, outer]


def test_more_codings_than_anybody_applies_are_not_undone() -> None:
    """Nor are they counted by what they do."""
    coded = PLAIN
    for _ in range(MAX_CODINGS):
        coded = gzip.compress(coded)
    undone = undo_codings(coded, [b"gzip"] * MAX_CODINGS, LIMIT)
    assert undone is not None
    assert undone[0] == PLAIN
    assert undo_codings(gzip.compress(coded), [b"gzip"] * (MAX_CODINGS + 1), LIMIT) is None
    assert undo_codings(coded, [b"identity", *[b"gzip"] * MAX_CODINGS], LIMIT) is None


@pytest.mark.parametrize(
    ("name", "coded"),
    [
        (b"zstd", PLAIN),
        (b"compress", PLAIN),
        (b"*", PLAIN),
        (b"gzip;q=1", gzipped(PLAIN)),
        (b"gzip", PLAIN),
        (b"gzip", zlib.compress(PLAIN)),
        (b"gzip", gzipped(PLAIN)[:-1]),
        (b"gzip", gzipped(PLAIN)[:-8] + bytes(8)),
        (b"gzip", gzipped(PLAIN) + b"\0"),
        (b"gzip", gzipped(PLAIN) + b"more"),
        (b"gzip", gzipped(PLAIN) + gzipped(PLAIN)[:-1]),
        (b"deflate", raw_deflate(PLAIN)),
        (b"deflate", gzipped(PLAIN)),
        (b"deflate", zlib.compress(PLAIN)[:-1]),
        (b"deflate", zlib.compress(PLAIN)[:-4] + bytes(4)),
        (b"deflate", zlib.compress(PLAIN) + b"\0"),
        (b"deflate", zlib.compress(PLAIN) * 2),
        (b"deflate", zlib_with_dictionary(PLAIN)),
        (b"br", PLAIN),
        (b"br", brotli.compress(PLAIN)[:-1]),
        (b"br", brotli.compress(PLAIN) + b"\0"),
        (b"br", brotli.compress(PLAIN) * 2),
        (b"gzip, br", brotli.compress(b"")),
        (b"deflate, br", brotli.compress(b"")),
        (b"br, gzip", gzipped(b"")),
    ],
)
def test_what_is_not_certain_is_not_undone(name: bytes, coded: bytes) -> None:
    """Unknown, corrupt, cut off, followed by more, or of a format that the name does not mean."""
    assert undo_codings(coded, [name], LIMIT) is None


def test_members_of_gzip_are_one_body_and_the_first_is_a_reading() -> None:
    """RFC 1952 section 2.2 joins them; some servers stop at the first one."""
    coded = gzip.compress(b"ac") + gzip.compress(b"") + gzip.compress(b"me")
    assert undo_codings(coded, [b"gzip"], LIMIT) == [b"acme", b"ac", coded]
    assert undo_codings(gzip.compress(coded), [b"gzip, gzip"], LIMIT) is None


def test_members_of_gzip_are_bounded_in_number_and_together_in_size() -> None:
    """Each member costs time, however small it is."""
    member = gzip.compress(b"a" * 10)
    assert undo_codings(member * MAX_MEMBERS, [b"gzip"], LIMIT) is not None
    assert undo_codings(member * (MAX_MEMBERS + 1), [b"gzip"], LIMIT) is None
    halves = gzip.compress(b"a" * (LIMIT // 2)) * 2
    assert undo_codings(halves, [b"gzip"], LIMIT) is not None
    assert undo_codings(halves + gzip.compress(b""), [b"gzip"], LIMIT) is not None
    assert undo_codings(halves + member, [b"gzip"], LIMIT) is None


def test_what_is_zlib_and_raw_deflate_at_once_is_not_undone() -> None:
    """Those who mean raw deflate by the name would read another body."""
    # Both begin with a stored block, whose head is its length and the length's complement. Raw deflate finds them in
    # the bytes 1 to 4; zlib, behind its own head of two bytes and one that opens the block, in the bytes 3 to 6.
    sizes = (0x00DA).to_bytes(2, "little") + (0xFF25).to_bytes(2, "little") + (0x00DA).to_bytes(2, "little")
    stored = b"&org=globex&".ljust(0xFF25, b"x") + b"&org=acme"
    both = b"\x78" + sizes + stored[:0xFF25] + raw_deflate(stored[0xFF25:]) + zlib.adler32(stored).to_bytes(4, "big")
    assert zlib.decompress(both) == stored
    assert zlib.decompressobj(-15).decompress(both, 14) == b"\xda\0&org=globex&"
    assert undo_codings(both, [b"deflate"], LIMIT) is None


@pytest.mark.parametrize("coding", CODERS)
@pytest.mark.parametrize("size", [1, 32_752, 32_753, LIMIT])
def test_what_comes_out_may_be_as_large_as_the_limit(coding: bytes, size: int) -> None:
    """And not one byte larger, be it easy to compress or not."""
    for plain in (b"a" * size, random.Random(size).randbytes(size)):
        coded = CODERS[coding](plain)
        assert undo_codings(coded, [coding], max(size, len(coded))) == [plain, coded]
        assert undo_codings(coded, [coding], size - 1) is None


def test_the_body_as_sent_has_the_limit_too() -> None:
    """As has every step between."""
    assert undo_codings(b"acme", [], 4) == [b"acme"]
    assert undo_codings(b"acme", [], 3) is None
    inner = gzip.compress(random.Random(1).randbytes(1000))
    assert undo_codings(gzip.compress(inner), [b"gzip, gzip"], 2000) is not None
    padded = gzip.compress(bytes(5000))
    assert undo_codings(gzip.compress(padded), [b"gzip, gzip"], 4999) is None


@pytest.mark.parametrize("coding", CODERS)
def test_a_bomb_is_not_inflated(coding: bytes) -> None:
    """What is held at any time is no more than a few times the limit, whatever would come out."""
    bomb = CODERS[coding](bytes(64 * 1024 * 1024))
    tracemalloc.start()
    try:
        assert undo_codings(bomb, [coding], LIMIT) is None
        assert tracemalloc.get_traced_memory()[1] < 4 * LIMIT
    finally:
        tracemalloc.stop()
