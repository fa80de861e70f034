"""Makes values of a request fit to be shown, once, for every place where they are shown."""

import re
from collections.abc import Callable, Iterable
from functools import partial

from orgfence.core.escapes import unescaped_text
from orgfence.core.showing.credential_shapes import is_id, looks_like_credential
from orgfence.core.showing.named_credentials import HIDDEN, hide_named
from orgfence.core.showing.visible import visible

# A host name has at most 253 characters, and no id of an org is longer.
MAX_VALUE = 256
# What is cut off is not searched; what is shown is.
_MAX_SEARCHED = 1024
# A secret that is shorter is found by chance inside of other words, so it has to be the whole value.
_MIN_CONTAINED = 8
# A part of a credential that is shorter may well be an id; of one that is cut in two, one part is longer.
_MIN_PART = 12
# Only what holds one of these can be a name, or a scheme, and a secret behind it.
_NAMING = re.compile(r"[=\s+%@]")
_WORD = re.compile(r"[^\s`&?=#/]+")
_ENCODINGS = 2


class Redactor:
    """Knows the secrets of one request, and shows no value that holds one or that looks like a credential."""

    __slots__ = ("_secrets",)

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Take the request's own secrets, in lower case: a value may stand in the host, which has no other."""
        self._secrets = frozenset(secrets)

    def value(self, text: str, *, may_be_part: bool = False) -> str:
        """Return one value as it may be shown.

        `may_be_part`: being a part of a secret does not make it one. An opaque token may name the org that it is for.
        """
        text = text[:_MAX_SEARCHED]
        if self._holds_secret(text) or (not may_be_part and self._is_part(text)):
            return HIDDEN
        if _NAMING.search(text):
            text = hide_named(text)
            text = re.sub(r"\S+", lambda word: HIDDEN if _is_credential(word[0]) else word[0], text)
        elif looks_like_credential(text):
            return HIDDEN
        shown = visible(text)
        return shown if len(shown) <= MAX_VALUE else f"{shown[: MAX_VALUE - 1]}…"

    def path(self, text: str) -> str:
        """Return a path of which each segment is shown as a value."""
        return self._parts(text, "/")

    def host(self, text: str) -> str:
        """Return the name of a host of which each label is shown as a value."""
        return self._parts(text, ".")

    def _parts(self, text: str, separator: str) -> str:
        text = text[:_MAX_PATH]
        if self._holds_secret(text):
            text = self.sentence(text)
        return separator.join(map(self.value, text.split(separator, _MAX_SEGMENTS)))

    def sentence(self, text: str) -> str:
        """Return a text of ours, whose values have the form of no credential, without the request's own secrets."""
        if self._secrets:
            lowered = text.lower()
            held = [secret for secret in self._secrets if len(secret) >= _MIN_CONTAINED and secret in lowered]
            for secret in sorted(held, key=len, reverse=True):
                text = re.sub(re.escape(secret), HIDDEN, text, flags=re.IGNORECASE)
            text = _WORD.sub(lambda word: HIDDEN if self._is_secret_word(word[0]) else word[0], text)
        return visible(text)

    def tree(self, node: object) -> object:
        """Return JSON whose texts, keys included, are shown as values."""
        show = partial(self.value, may_be_part=True)
        return _mapped(node, show)

    def _holds_secret(self, text: str) -> bool:
        if not self._secrets:
            return False
        readings = [text.lower()]
        while "%" in readings[-1] and len(readings) <= _ENCODINGS:
            readings.append(unescaped_text(readings[-1]).lower())
        return any(
            secret == reading or (len(secret) >= _MIN_CONTAINED and secret in reading)
            for reading in readings
            for secret in self._secrets
        )

    def _is_secret_word(self, word: str) -> bool:
        return word.lower() in self._secrets or ("%" in word and self._holds_secret(word))

    def _is_part(self, text: str) -> bool:
        """Return whether the text is a piece of a secret that a `/` or a separator of the policy has cut."""
        lowered = text.lower()
        return len(text) >= _MIN_PART and any(lowered in secret for secret in self._secrets) and not is_id(text)


#: For what is shown outside of any request.
NO_REQUEST = Redactor()

# More than any path that a person reads.
_MAX_SEGMENTS = 64
_MAX_PATH = 4096


def _is_credential(word: str) -> bool:
    return looks_like_credential(word) or ("%" in word and looks_like_credential(unescaped_text(word)))


def _mapped(node: object, show: Callable[[str], str]) -> object:
    if isinstance(node, str):
        return show(node)
    if isinstance(node, dict):
        return {show(str(key)): _mapped(value, show) for key, value in node.items()}
    if isinstance(node, list):
        return [_mapped(item, show) for item in node]
    return node
