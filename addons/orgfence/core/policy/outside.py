"""What comes into a policy from outside of it: `${NAME}` from the environment, `{file: PATH}` from a file, and presets.

So one policy serves staging and production, and a secret need not stand in it. The core reads none of them; what a
policy asks for is handed in, and what it used is told, because the policy in force depends on it.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from orgfence.core.policy.strict_yaml import Scalar
from orgfence.core.policy.wording import shown


def _no_files(_path: str, _policy_file: str) -> str:
    raise ValueError("no files can be read here")


class Outside(NamedTuple):
    """Where such values are looked up."""

    environment: Mapping[str, str] = {}
    #: Takes a path and the name of the policy file that asks, and returns the text. Raises OSError, or ValueError with
    #: a message for the policy's author.
    read_file: Callable[[str, str], str] = _no_files
    #: The files of the presets that there are, by name.
    presets: Mapping[str, bytes] = {}


#: Nothing but the policy itself.
NOTHING_OUTSIDE = Outside()

# https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_06_02, of which these two forms:
#   ${parameter}
#   ${parameter:-[word]}
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(:-([^{}]*))?\}")


class OutsideValues:
    """Looks values up for one load of a policy, and remembers them."""

    def __init__(self, outside: Outside) -> None:
        """Look them up here."""
        self._outside = outside
        #: What each value that was used is: by `${NAME}`, `{file: PATH}` or `preset:NAME`.
        self.used: dict[str, str] = {}
        #: What was read from files, which may be secret.
        self.secrets: list[str] = []

    def substitute(self, value: Scalar) -> Scalar:
        """Return a value with the environment's in place of their names. `ValueError` says what is wrong."""
        text = _VARIABLE.sub(self._variable, value)
        if "${" in _VARIABLE.sub("", value):
            raise ValueError(
                f"{shown(value)} has a `${{` that names nothing. Write `${{NAME}}` or `${{NAME:-default}}`"
            )
        return value.replaced(text, value)

    def read(self, path: Scalar) -> Scalar:
        """Return what a file holds. `ValueError` says what is wrong."""
        stands_for = f"{{file: {path}}}"
        try:
            text = self._outside.read_file(path, path.source.name)
        except OSError as error:
            why = (error.strerror or "it cannot be read").lower()
            raise ValueError(f"{shown(path)} cannot be read: {why}. Name a file that is readable here") from None
        self.used[stands_for] = text
        self.secrets.append(text)
        return path.replaced(text, stands_for)

    @property
    def presets(self) -> Collection[str]:
        """The names of the presets that there are."""
        return self._outside.presets.keys()

    def preset(self, name: str) -> bytes:
        """Return the file of a preset that there is."""
        data = self._outside.presets[name]
        self.used[f"preset:{name}"] = data.decode(errors="replace")
        return data

    def _variable(self, found: re.Match[str]) -> str:
        name, has_default, default = found.groups()
        value = self._outside.environment.get(name, "")
        # As in a shell, `:-` also stands in for what is empty.
        if not value and not has_default:
            state = "is empty in" if name in self._outside.environment else "is not in"
            raise ValueError(f"`{name}` {state} the environment. Set it, or write `${{{name}:-default}}`")
        self.used[f"${{{name}}}"] = value
        return value or default
