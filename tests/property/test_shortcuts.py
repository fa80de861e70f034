"""What is done in fewer steps comes to what mitmproxy's own steps come to."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.addons.tlsconfig import TlsConfig
from mitmproxy.connection import Client
from mitmproxy.http import Headers
from mitmproxy.options import Options
from mitmproxy.optmanager import OptManager
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import NextLayer
from mitmproxy.test import taddons

from orgfence.proxy.lean.shortcuts import SHORTCUTS

NAMES = st.sampled_from(
    [
        b"a",
        b"A",
        b"Host",
        b"host",
        b"HOST",
        b"x-y",
        b"X_Y",
        b"\xc3\x84",
        b"\xc3\xa4",
        b"\xff",
        b"",
        b"\xe2\x84\xaa",
        b"k",
    ]
)
FIELDS = st.lists(st.tuples(NAMES, st.sampled_from([b"", b"1", b"\xff", b"\xc3\xa4", b"a, b"])), max_size=6)
KEYS: st.SearchStrategy[object] = st.one_of(
    NAMES,
    NAMES.map(lambda name: name.decode("utf-8", "surrogateescape")),
    st.sampled_from(["\u212a", "Ä", "\u017f", 1]),
)

_LOOK_UPS: list[tuple[str, Callable[[Headers, Any], object]]] = [
    ("all", lambda headers, key: headers.get_all(key)),
    ("get", lambda headers, key: headers.get(key)),
    ("or", lambda headers, key: headers.get(key, "none")),
    ("in", lambda headers, key: key in headers),
    ("item", lambda headers, key: headers[key]),
    ("pop", lambda headers, key: headers.copy().pop(key, "none")),
]


@contextmanager
def shortened() -> Iterator[None]:
    """Take the shortcuts for a while."""
    with pytest.MonkeyPatch.context() as patch:
        for owner, name, shorter in SHORTCUTS:
            patch.setattr(owner, name, shorter)
        yield


def outcome(look_up: Callable[[Headers, Any], object], headers: Headers, key: object) -> object:
    try:
        return look_up(headers, key)
    except Exception as error:  # noqa: BLE001 - an error is an outcome
        return type(error)


@given(FIELDS, KEYS)
def test_headers_are_found_as_ever(fields: list[tuple[bytes, bytes]], key: object) -> None:
    headers = Headers(fields)
    before = [(name, outcome(look_up, headers, key)) for name, look_up in _LOOK_UPS]
    with shortened():
        after = [(name, outcome(look_up, headers, key)) for name, look_up in _LOOK_UPS]
    assert after == before


@given(
    st.sampled_from([(bool, True), (int, 7), (str, "a"), (str | None, None), (Sequence[str], ["a", "b"])]),
    st.booleans(),
)
def test_options_cannot_be_changed_by_who_reads_them(option: tuple[Any, Any], is_set: bool) -> None:
    kind, value = option
    with shortened():
        options = OptManager()
        options.add_option("some", kind, value, "")
        if is_set:
            options.update(some=value)
        assert options.some == value
        if isinstance(value, list):
            options.some.append("c")
            assert options.some == ["a", "b"]


def test_a_forked_context_is_what_it_ever_was() -> None:
    context = Context(Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2)), Options())
    context.layers.append(NextLayer(context.fork()))
    theirs = context.fork()
    with shortened():
        ours = context.fork()
    assert vars(ours) == vars(theirs)
    assert type(ours) is Context
    assert ours.layers is not context.layers


def test_lists_of_revoked_certificates_are_found_by_the_ca_that_signs_now(tmp_path: Path) -> None:
    """Also after an option has changed, by which mitmproxy makes itself a new one."""
    config = TlsConfig()
    with shortened(), taddons.context(config) as context:
        paths = []
        for name in ("first", "second"):
            context.options.confdir = str(tmp_path / name)
            paths += [config.crl_path(), config.crl_path()]
        assert paths[0] == paths[1] != paths[2] == paths[3]
        assert paths[3] == f"/mitmproxy-{config.certstore.default_ca.serial}.crl"
