"""When the name of a cookie is, to some server, the one that a rule reads.

Fewer differences are ignored here than in the names of parameters: no server takes `org-id`, `orgId` or `_org_id` for
`org_id`, and sign-in services set `__session` beside `session`. What real servers ignore:

* ASP.NET: case.
* PHP: a `.`, a space and a `[` are `_`, unless `name[key]` is an array, and blanks in front are left out. Its versions
  before 7.4.11, CGI and old Rack undo escapes too, the first two also `+` for a space.
* Django, Starlette, Tornado and aiohttp: blanks around a name, and control characters among them.
"""

import re
import string
from itertools import accumulate

from orgfence.core.names import MAX_PARTS, Naming, decoded, plain_letters

_ODD = bytes(range(33)) + b"\x7f%+[]"
# A name with an odd character becomes more than ASCII: then `cookie_forms_of` has its forms.
_FLAT = bytes.maketrans(
    string.ascii_uppercase.encode() + b"." + _ODD, string.ascii_lowercase.encode() + b"_" + b"\x80" * len(_ODD)
)
_LETTERS = bytes.maketrans(string.ascii_uppercase.encode() + b". +", string.ascii_lowercase.encode() + b"___")
_BLANKS = bytes(range(33)) + b"\x7f+"
_ENDS = re.compile(rb"[\[\]\0]")


def cookie_forms_of(name: bytes) -> list[bytes]:
    """Return all forms of a cookie's name, that of the whole name last.

    `org[id]` has the form of `org` too, where PHP finds an array, and `org[id` that of `org_id`.
    """
    name = decoded(name)
    if not name.isascii():
        name = plain_letters(name.decode("utf-8", "ignore")).encode()
    name = name.lstrip(_BLANKS)
    forms: dict[bytes, None] = {}
    # To PHP a blank behind the name is a `_`.
    for each in dict.fromkeys((name.rstrip(_BLANKS), name)):
        parts = [part.translate(_LETTERS) for part in _ENDS.split(each, maxsplit=MAX_PARTS)]
        forms |= dict.fromkeys(accumulate(parts, _joined))
    return list(forms)


def _joined(start: bytes, part: bytes) -> bytes:
    return start + b"_" + part


COOKIE_NAMES = Naming(_FLAT, b"", cookie_forms_of, cookie_forms_of)
