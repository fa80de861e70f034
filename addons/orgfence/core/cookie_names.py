"""Compares the names of cookies as real servers compare them.

Fewer differences are ignored here than in the names of parameters: no server takes `org-id`, `orgId` or `_org_id` for
`org_id`, and sign-in services set `__session` beside `session`. What real servers ignore:

* ASP.NET: case.
* PHP: a `.`, a space and a `[` are `_`, unless `name[key]` is an array, and blanks in front are left out. Its versions
  before 7.4.11, CGI and old Rack undo escapes too, the first two also `+` for a space.
* Django, Starlette, Tornado and aiohttp: blanks around a name, and control characters among them.
"""

import re
import string
from itertools import islice

from orgfence.core.names import Naming, decoded, plain_letters

_ODD = bytes(range(33)) + b"\x7f%+[]"
# A name with an odd character becomes more than ASCII: then `cookie_forms_of` has its forms.
_FLAT = bytes.maketrans(
    string.ascii_uppercase.encode() + b"." + _ODD, string.ascii_lowercase.encode() + b"_" + b"\x80" * len(_ODD)
)
_LETTERS = bytes.maketrans(string.ascii_uppercase.encode() + b". +[]\0", string.ascii_lowercase.encode() + b"_" * 6)
_BLANKS = bytes(range(33)) + b"\x7f+"
# No rule names a cookie of more keys: `org[a][b]` has two.
_MAX_ENDS = 8
# What a name may end at while the server still finds its value.
_ENDS = re.compile(rb"(?=[\[\0])|(?<=\])")


def cookie_forms_of(name: bytes) -> list[bytes]:
    """Return all forms of a cookie's name, that of the whole name last.

    `org[id]` has the form of `org` too, where PHP finds an array, and `org[id` that of `org_id`.
    """
    name = decoded(name)
    if not name.isascii():
        name = plain_letters(name.decode("utf-8", "ignore")).encode()
    name = name.lstrip(_BLANKS)
    # To PHP a blank behind the name is a `_`.
    ends = [*(end.start() for end in islice(_ENDS.finditer(name), _MAX_ENDS)), len(name.rstrip(_BLANKS)), len(name)]
    form = name.translate(_LETTERS)
    return [form[:end] for end in dict.fromkeys(ends)]


COOKIE_NAMES = Naming(_FLAT, b"", cookie_forms_of, cookie_forms_of)
