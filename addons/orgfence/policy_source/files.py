"""Reads the policy from where it lies, one file or a folder; what it says is the core's business."""

import errno
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


def open_policy(path: Path | None, *, observe: bool = False, may_wait: bool = True) -> LoadedPolicy:
    """Load a policy, or the starter where none is named. Raises `StartError` and `PolicyError`.

    What is named may be a pipe, as in `--policy <(sops -d policy.yaml)`; its writer is waited for if that is allowed.
    """
    if path is None:
        ruleset = read_starter().ruleset
        return LoadedPolicy(STARTER_NAME, ruleset.observing() if observe else ruleset, None, observe)
    files = PolicyFiles.read(path, may_wait=may_wait)
    ruleset = files.load().ruleset
    changes = path.is_file() or path.is_dir()
    return LoadedPolicy(str(path), ruleset.observing() if observe else ruleset, files if changes else None, observe)


def read_policy(path: Path) -> Policy:
    """Load a policy. Raises `StartError` for files that cannot be read and `PolicyError` for what they say.

    What is named may be a pipe, as in `orgfence check <(sops -d policy.yaml)`; its writer is waited for.
    """
    return PolicyFiles.read(path, may_wait=True).load()


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
    def read(cls, path: Path, value_paths: Iterable[Path] = (), *, may_wait: bool = False) -> Self:
        """Read a policy's files, and those that its values are known to come from. It never fails: see `faults`.

        It waits for no pipe, device or socket. `may_wait`: what is named itself may be one and is waited for.
        """
        texts: list[PolicyText] = []
        faults: list[str] = []
        try:
            space = _MAX_TOTAL
            for file in _files_of(path):
                held = _read_text(file, min(space, MAX_BYTES) + 1, may_wait=may_wait and file == path)
                if isinstance(held, str):
                    faults.append(f"{file}: {held}")
                    continue
                space -= len(held)
                if space < 0:
                    faults.append(
                        f"{path}: its files hold more than {_MAX_TOTAL // 1024**2} MiB. No policy needs so many"
                    )
                    break
                texts.append(PolicyText(str(file), held))
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
        with _collector_paused(sum(len(text.data) for text in self.texts)):
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


# Four files of the largest size. They are held in memory twice, and compared in one piece.
_MAX_TOTAL = 4 * MAX_BYTES
# Far above any number of teams. The names are sorted in one piece.
_MAX_FILES = 10_000


def _files_of(path: Path) -> Iterable[Path]:
    """Return the policy's files: the one that is named, or all of the folder's."""
    if not path.is_dir():
        return [path]
    names = []
    with os.scandir(path) as entries:
        for entry in entries:
            # Kubernetes keeps what a volume's files point to in entries that begin with dots.
            if entry.name.endswith((".yaml", ".yml")) and entry.name[0] != ".":
                names.append(entry.name)
            if len(names) > _MAX_FILES:
                raise OSError(errno.EFBIG, f"it holds more than {_MAX_FILES} policy files")
    return [path / name for name in sorted(names)]


def _read_text(path: Path, limit: int, *, may_wait: bool) -> _Held:
    """Return no more of a file than the limit, or why there is nothing to return."""
    try:
        held = _read_up_to(path, limit, may_wait=may_wait)
    except FileNotFoundError:
        return "there is no such file. Write a policy there, or name another"
    except IsADirectoryError:
        return "is a folder, and a policy is not looked for below another. Rename it, or move it away"
    except OSError as error:
        return f"cannot be read: {_why(error)}. Make it readable for this user"
    return "is no file, and cannot be read as one. Remove it, or name it otherwise" if held is None else held


def _read_value(path: Path) -> _Held:
    """Return no more of a file than shows that it is too large."""
    try:
        held = _read_up_to(path, _MAX_VALUE + 1)
    except IsADirectoryError:
        held = None
    except OSError as error:
        return f"cannot be read: {_why(error)}. Name a file that is readable here"
    except ValueError:
        return "is no path: it holds a NUL. Name a file"
    return "is no file. Name one that holds the value" if held is None else held


def _read_up_to(path: Path, limit: int, *, may_wait: bool = False) -> bytes | None:
    """Return so many bytes of a file at most; None: it is a pipe, device or socket, and would have to be waited for.

    Links are followed: Kubernetes makes the files of a volume of them.
    """
    # Asked before it is opened, because to open a device may do something; and afterwards, because it may be another
    # file by then. A pipe that is opened in this way is not waited for.
    if not may_wait and not _is_file(path.stat()):
        return None
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | (0 if may_wait else os.O_NONBLOCK))
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        if not may_wait and not _is_file(os.fstat(descriptor)):
            return None
        read = bytearray()
        while len(read) < limit and (more := os.read(file.fileno(), min(limit - len(read), _CHUNK))):
            read += more
        return bytes(read)


_CHUNK = 1024 * 1024


def _is_file(status: os.stat_result) -> bool:
    """Return whether it is a regular file. Raises `IsADirectoryError` for a folder."""
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return stat.S_ISREG(status.st_mode)


def _why(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


@contextmanager
def _collector_paused(size: int) -> Iterator[None]:
    """Keep the garbage collector from walking, time and again, over a policy of this size in which nothing is garbage.

    Nor does it walk over it afterwards: of ten thousand rules that is half a second in which no request is served. The
    policy is freed without it, when nobody refers to it any more. What is garbage before would never be freed, so it
    is collected first.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    if size > _LARGE:
        gc.collect()
    try:
        yield
    finally:
        # A policy of common size, of which nobody notices the walk, is left.
        if size > _LARGE and gc.get_count()[0] > _MANY_OBJECTS:
            gc.freeze()
        if was_enabled:
            gc.enable()


# To walk over so many takes some 35 ms. A rule makes about ninety.
_MANY_OBJECTS = 50_000
# Bytes, of which so many objects can be made.
_LARGE = 50_000
