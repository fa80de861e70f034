"""Reads the policy from where it lies, one file or a folder; what it says is the core's business."""

import gc
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Self

from orgfence.core.policy.load import Policy, PolicyText, load_policy
from orgfence.core.policy.outside import Outside
from orgfence.core.policy.strict_yaml import MAX_BYTES
from orgfence.core.policy.wording import shown
from orgfence.core.ruleset import Ruleset
from orgfence.errors import StartError

STARTER_NAME = "starter policy"
# Lies beside the presets, and is a whole policy.
_STARTER = "starter.yaml"


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """What the operator named, and what came of it."""

    #: As the operator knows it.
    name: str
    ruleset: Ruleset
    #: None for what does not change: the starter, or a pipe that can be read once only.
    files: "PolicyFiles | None"
    #: Whether everything is capped at observe, whatever the policy says.
    observe: bool

    @property
    def folder_of(self) -> int | None:
        """How many files there are in the folder that was named; None: it is none."""
        return len(self.files.texts) if self.files is not None and self.files.path.is_dir() else None


def open_policy(path: Path | None, *, observe: bool = False) -> LoadedPolicy:
    """Load a policy, or the starter where none is named. Raises `StartError` and `PolicyError`."""
    if path is None:
        ruleset = read_starter().ruleset
        return LoadedPolicy(STARTER_NAME, ruleset.observing() if observe else ruleset, None, observe)
    files = PolicyFiles.read(path)
    ruleset = files.load().ruleset
    changes = path.is_file() or path.is_dir()
    return LoadedPolicy(str(path), ruleset.observing() if observe else ruleset, files if changes else None, observe)


def read_policy(path: Path) -> Policy:
    """Load a policy. Raises `StartError` for files that cannot be read and `PolicyError` for what they say."""
    return PolicyFiles.read(path).load()


def read_starter() -> Policy:
    """Load the policy that applies when none is named: it observes every host by the common claims."""
    text = resources.files("orgfence.issuers").joinpath(_STARTER).read_bytes()
    return load_policy([PolicyText(STARTER_NAME, text)])


@cache
def shipped_presets() -> Mapping[str, bytes]:
    """Return the presets that ship inside the package: what is known of real issuers, by name."""
    files = (file for file in resources.files("orgfence.issuers").iterdir() if file.name.endswith(".yaml"))
    return {file.name.removesuffix(".yaml"): file.read_bytes() for file in files if file.name != _STARTER}


# Where one is known: the bytes, or why there are none.
type _Held = bytes | str


class PolicyFiles:
    """What all files of a policy held when they were read, so that what is loaded is what was looked at."""

    def __init__(self, path: Path, texts: tuple[PolicyText, ...], faults: tuple[str, ...]) -> None:
        """Take what was read, and what kept the rest from being read."""
        self.path = path
        #: In the order of their names.
        self.texts = texts
        #: Why there is no policy to load: each a line for whoever can mend it.
        self.faults = faults
        self._values: dict[Path, _Held] = {}
        #: The files that values are read from: those that the policy was found to name, once it was loaded.
        self.value_paths: frozenset[Path] = frozenset()

    @classmethod
    def read(cls, path: Path, value_paths: Iterable[Path] = ()) -> Self:
        """Read a policy's files, and those that its values are known to come from. It never fails: see `faults`."""
        texts: list[PolicyText] = []
        faults: list[str] = []
        try:
            for file in _files_of(path):
                held = _read_text(file, is_named=file == path)
                if isinstance(held, bytes):
                    texts.append(PolicyText(str(file), held))
                else:
                    faults.append(f"{file}: {held}")
        except OSError as error:
            faults.append(f"{path}: cannot be read: {_why(error)}. Make it readable for this user")
        if not texts and not faults:
            faults.append(
                f"{path}: there is no policy in this folder: it holds no file `*.yaml` or `*.yml`. Write one there"
            )
        files = cls(path, tuple(texts), tuple(faults))
        files.value_paths = frozenset(value_paths)
        files._values = {value_path: _read_value(value_path) for value_path in files.value_paths}
        return files

    def load(self) -> Policy:
        """Load the policy that they make. Raises `StartError` and `PolicyError`.

        Files of values that were not read with the others are read now, once.
        """
        self.value_paths = frozenset()
        if self.faults:
            raise StartError("\n".join(self.faults))
        with _collector_paused():
            return load_policy(self.texts, Outside(dict(os.environ), self._value, shipped_presets()))

    def holds(self, other: "PolicyFiles") -> bool:
        """Return whether all that the other depends on was the same here."""
        return (self.texts, self.faults) == (other.texts, other.faults) and all(
            self._values.get(path) == other._values[path] for path in other.value_paths
        )

    def _value(self, name: str, policy_file: str) -> str:
        """Return the text of the file that a value names."""
        path = Path(policy_file).parent / name
        self.value_paths |= {path}
        held = self._values.get(path)
        if held is None:
            held = self._values[path] = _read_value(path)
        if isinstance(held, str):
            raise ValueError(f"{shown(name)} {held}")  # noqa: TRY004 - it is what the file holds that is wrong
        if len(held) > _MAX_VALUE:
            raise ValueError(f"{shown(name)} is larger than 64 KiB. Name a file that holds the value alone")
        try:
            text = held.decode()
        except UnicodeDecodeError:
            raise ValueError(f"{shown(name)} is no UTF-8 text. Name a file that holds the value as text") from None
        # What editors and `echo` add.
        return text.removesuffix("\n").removesuffix("\r")


# Far above any secret, key set or certificate that a policy names.
_MAX_VALUE = 64 * 1024


def _files_of(path: Path) -> Iterable[Path]:
    """Return the policy's files: the one that is named, or all of the folder's."""
    if not path.is_dir():
        return [path]
    # Kubernetes keeps what a volume's files point to in entries that begin with dots.
    names = sorted(name for name in os.listdir(path) if name.endswith((".yaml", ".yml")) and name[0] != ".")  # noqa: PTH208 - names are all that is wanted
    return [path / name for name in names]


def _read_text(path: Path, *, is_named: bool) -> _Held:
    try:
        # What is named itself may be a pipe. To open one that lies in a folder would wait for whoever writes to it.
        if not is_named and not path.is_dir() and not stat.S_ISREG(path.stat().st_mode):
            return "is no file, and cannot be read as one. Remove it, or name it otherwise"
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return "there is no such file. Write a policy there, or name another"
    except IsADirectoryError:
        return "is a folder, and a policy is not looked for below another. Rename it, or move it away"
    except OSError as error:
        return f"cannot be read: {_why(error)}. Make it readable for this user"


def _read_value(path: Path) -> _Held:
    """Return no more of a file than shows that it is too large."""
    try:
        # To open a pipe would wait for whoever writes to it.
        if not stat.S_ISREG(path.stat().st_mode):
            return "is no file. Name one that holds the value"
        with path.open("rb") as file:
            return file.read(_MAX_VALUE + 1)
    except OSError as error:
        return f"cannot be read: {_why(error)}. Name a file that is readable here"
    except ValueError:
        return "is no path: it holds a NUL. Name a file"


def _why(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the garbage collector from walking, time and again, over a growing policy in which nothing is garbage."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        # Together these make everything old at no cost. Left young, all that was loaded would be walked over at once,
        # and of ten thousand rules that is half a second in which no request is served. What is garbage already grows
        # old as well and is collected later, so a policy of common size, of which nobody notices the walk, is left.
        if gc.get_count()[0] > _MANY_OBJECTS:
            gc.freeze()
            gc.unfreeze()
        if was_enabled:
            gc.enable()


# To walk over so many takes some 35 ms. A rule makes about ninety.
_MANY_OBJECTS = 50_000
