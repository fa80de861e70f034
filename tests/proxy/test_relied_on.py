"""What is taken for granted of mitmproxy's inside holds, is listed whole, and is missed where it does not hold."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from inspect import getmodule
from pathlib import Path
from types import CodeType, FunctionType

import pytest
from mitmproxy.version import VERSION
from tests.proxy.harness import START_DEADLINE
from tests.proxy.other_mitmproxy import CHANGES

import orgfence.proxy
from orgfence.errors import StartError
from orgfence.proxy.relied_on import assumptions
from orgfence.proxy.relied_on.assumptions import ASSUMPTIONS, Assumption, refuse_other_mitmproxy

FOLDER = Path(orgfence.proxy.__file__).parent
#: Our modules by the names that the list calls them by; the checks themselves aside.
MODULES = {
    ".".join(path.relative_to(FOLDER).with_suffix("").parts): path
    for path in sorted(FOLDER.rglob("*.py"))
    if "relied_on" not in path.parts and path.name != "__init__.py"
}
BY_NAME = {assumption.name: assumption for assumption in ASSUMPTIONS}
#: What mitmproxy brings, and what a private name of theirs is imported from.
THEIRS = ("mitmproxy", "h11", "h2", "hyperframe")


@pytest.mark.parametrize("name", BY_NAME)
def test_mitmproxy_does_what_is_relied_on(name: str) -> None:
    """With the version that is installed. What fails here says what broke, and whom it breaks."""
    found = BY_NAME[name].found()
    assert found is None, BY_NAME[name].broken(found)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_mitmproxy_that_does_otherwise_is_found_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each check can fail: mitmproxy is changed so that what is relied on does not hold, and that is seen."""
    with monkeypatch.context() as patch:
        CHANGES[name](patch)
        found = BY_NAME[name].found()
    assert found is not None
    assert BY_NAME[name].found() is None


def test_every_assumption_can_be_broken() -> None:
    """The table of changes has one for each, each has a name of its own, and its words are a sentence."""
    assert sorted(CHANGES) == sorted(assumption.name for assumption in ASSUMPTIONS)
    assert all(assumption.says.endswith(".") and assumption.needed_by for assumption in ASSUMPTIONS)


def test_what_broke_is_said_in_full() -> None:
    """Its name, what it means, what was found, the modules that break, and mitmproxy's version."""
    assumption = BY_NAME["stream_class"]
    said = assumption.broken("[1] in place of [2]")
    assert said.startswith(f"mitmproxy {VERSION} ")
    for words in ("`stream_class`", assumption.says, "Found [1] in place of [2]", "`wire.early_answer`"):
        assert words in said


def test_each_module_points_to_the_list_that_it_stands_in() -> None:
    """And no other does: what a module relies on stands in one place."""
    named = {module for assumption in ASSUMPTIONS for module in assumption.needed_by}
    assert named <= MODULES.keys()
    pointing = {name for name, path in MODULES.items() if "`relied_on`" in (ast.get_docstring(_tree(path)) or "")}
    assert pointing == named


def test_every_private_name_is_spoken_for() -> None:
    """What is used of mitmproxy and begins with `_` stands in the list, with who uses it; no more does."""
    used = {(module, name) for module in MODULES for name in _private_names(module)}
    listed = {
        (module, name) for assumption in ASSUMPTIONS for module in assumption.needed_by for name in assumption.private
    }
    assert used - listed == set()
    assert {name for _, name in listed} - {name for _, name in used} == set()


def test_private_names_are_found() -> None:
    """As modules, within them, on an object, on oneself, and as what a class replaces."""
    assert {"h11._readers", "mitmproxy.proxy.layers.http._http1"} <= _private_names("wire.trailers")
    assert "mitmproxy.addons.next_layer._starts_like_quic" in _private_names("interception.scope")
    assert "_paused_event_queue" in _private_names("wire.back_pressure") & _private_names("wire.early_answer")
    assert {"_handle_event", "_ask_on_start"} <= _private_names("interception.silent_tunnels")
    assert "_legacy_log_events" in _private_names("lean.lean_master")


@pytest.mark.parametrize("name", [assumption.name for assumption in ASSUMPTIONS if assumption.at_start])
def test_what_the_guard_rests_on_is_asked_for_at_each_start(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it there is no start, and one line says why and what to do; all else is for these tests alone."""
    only = [BY_NAME[name]]
    refuse_other_mitmproxy(only)
    with monkeypatch.context() as patch:
        CHANGES[name](patch)
        with pytest.raises(StartError) as refused:
            refuse_other_mitmproxy(only)
    line = str(refused.value)
    assert "\n" not in line
    assert f"`{name}`" in line
    assert line.endswith(f"Install `mitmproxy=={assumptions.KNOWN}`")
    assert refused.value.exit_code == 2
    refuse_other_mitmproxy([BY_NAME[name]._replace(at_start=False, check="no.such")])


def test_a_check_that_trips_over_something_has_found_it() -> None:
    """What a check no longer finds at all is a difference, not a crash of ours."""
    gone = Assumption("gone", "It is there.", ("serve",), "streams.no_such_check")
    assert (gone.found() or "").startswith("AttributeError: ")


# Each in a fork of a process that has imported what takes long.
STARTS = """
import json, os, signal, sys
import mitmproxy.addons, pydantic, rich, structlog
for change in json.loads(sys.argv[1]):
    if not os.fork():
        signal.alarm(60)
        exec(change)
        from orgfence.cli import main
        main(["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"], prog_name="orgfence")
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""


def test_another_mitmproxy_is_one_clear_line() -> None:
    """`orgfence run` does not listen, and exits with 2, also where it cannot even be imported."""
    layers = "mitmproxy.proxy.layers.http"
    starts = {
        f"from {layers} import HttpLayer; HttpLayer.make_stream = lambda *_: iter(())": "`stream_class`",
        "from mitmproxy.proxy.server import ConnectionHandler; del ConnectionHandler.drain_writers": "'drain_writers'",
        "from mitmproxy.addons import next_layer; del next_layer._starts_like_quic": "'_starts_like_quic'",
    }
    process = subprocess.run(
        [sys.executable, "-c", STARTS, json.dumps([*starts])],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=4 * START_DEADLINE,
    )
    assert process.stdout.split() == ["2"] * len(starts), process.stderr
    for line, named in zip(process.stderr.splitlines(), starts.values(), strict=True):
        assert line.startswith("orgfence: ")
        assert named in line
        assert "Install " in line


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _private_names(module: str) -> set[str]:
    tree = _tree(MODULES[module])
    return {*_imported(tree), *_of_objects(tree, module), *_of_bases(module)}


def _imported(tree: ast.Module) -> Iterator[str]:
    """Yield private modules of theirs, and private names in their modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            paths = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            paths = [alias.name for alias in node.names]
        else:
            continue
        for path in paths:
            parts = path.split(".")
            private = [number for number, part in enumerate(parts) if _is_private(part)]
            if parts[0] in THEIRS and private:
                yield ".".join(parts[: private[-1] + 1])


def _of_objects(tree: ast.Module, module: str) -> Iterator[str]:
    """Yield private attributes of what is not of ours."""
    ours = _defined(module)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_private(node.attr) and not _is_own(node) and node.attr not in ours:
            yield node.attr


def _is_own(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")


def _defined(module: str) -> set[str]:
    """Return the names that a module's own classes and functions have, and attributes that they set on themselves."""
    own = set()
    for node in ast.walk(_tree(MODULES[module])):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            own.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_own(node):
            own.add(node.attr)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            own.add(node.target.id)
    return own - OVERRIDDEN


#: What classes of ours define as well because mitmproxy calls it.
OVERRIDDEN = {"_handle_event"}


def _of_bases(module: str) -> Iterator[str]:
    """Yield private attributes that classes of ours have from theirs and use or replace."""
    loaded = import_module(f"orgfence.proxy.{module}")
    for kind in vars(loaded).values():
        if not isinstance(kind, type) or getmodule(kind) is not loaded:
            continue
        theirs = [base for base in kind.__mro__ if base.__module__.partition(".")[0] in THEIRS]
        known = {name for base in theirs for name in _names_in(base)} if theirs else set()
        yield from filter(_is_private, _names_in(kind) & known)


def _names_in(kind: type) -> set[str]:
    """Return the names that a class defines, annotates or uses."""
    names = {*vars(kind), *vars(kind).get("__annotations__", {})}
    for value in vars(kind).values():
        if isinstance(value, FunctionType):
            names.update(_names_of(value.__code__))
    return names


def _names_of(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_of(constant)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_" and name not in _PUBLIC_ALL_THE_SAME


#: Python's own: of NamedTuple, abstract classes, protocols and dataclasses.
_PUBLIC_ALL_THE_SAME = {
    "_replace",
    "_abc_impl",
    "_is_protocol",
    "_field_type",
    "_FIELDS",
    "_FIELD_INITVAR",
    "_FIELD_CLASSVAR",
}
