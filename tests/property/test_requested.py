"""What a request is about: wherever its org stands, and however its body is written."""

import json
from itertools import product
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from tests.property import oddities
from tests.property.policies import POINTERS
from tests.property.reference_body import FORM
from tests.property.reference_token import Policy
from tests.property.strategies import simple_cases

from orgfence.core.request import Body

JSON = b"application/json"
FOUND = "acme-9"


class Sent(NamedTuple):
    """A body, and what the request says of it."""

    data: bytes | Body
    types: list[bytes]
    codings: list[bytes] = []


# Small, and of many ways.
@settings(max_examples=5 * settings().max_examples)
@given(simple_cases())
def test_what_is_requested_is_what_the_reference_finds(case: object) -> None:
    """The orgs that are found anywhere in a request are those that the reference finds."""
    assert isinstance(case, tuple)
    files, request, _ = case
    compare(files[0], [request])


@pytest.mark.parametrize("pointer", POINTERS)
def test_every_odd_document_is_read_as_the_reference_reads_it(pointer: str) -> None:
    """Every value that an org may have, every edit of the document, every end, encoding and type."""
    plain, *others = documents(pointer)
    bodies = [Sent(text.encode("utf-8", "replace"), [JSON]) for text in others]
    for text, encoding in product(oddities.finished(plain, FOUND), oddities.ENCODINGS):
        bodies.append(Sent(text.encode(encoding), [JSON]))
    for types, encoding in product([*oddities.JSON_TYPES, *oddities.ODD_TYPES, [FORM]], oddities.ENCODINGS):
        bodies += [Sent(text.encode(encoding, "replace"), types) for text in (plain, documents(pointer)[1])]
    compare(policy_of({"body": pointer}), map(posted, bodies))


def test_every_odd_form_is_read_as_the_reference_reads_it() -> None:
    """Every value, every field beside it, every frame and type."""
    bodies = [
        Sent(data, types)
        for value, field, separator in product([FOUND, *oddities.FORM_VALUES], oddities.FIELDS, "&;")
        for data in (f"org={value}{separator}{field}".encode(), f"{field}{separator}org={value}".encode())
        for types in ([FORM], [FORM + b"; charset=us-ascii"])
    ]
    for data, types in product(oddities.framed(b"org=acme-9"), [*oddities.FORM_TYPES, *oddities.ODD_TYPES]):
        bodies.append(Sent(data, types))
    compare(policy_of({"form": "org"}), map(posted, bodies))


def test_a_body_that_may_be_either_is_read_as_the_reference_reads_it() -> None:
    """A rule that reads its org from JSON or from a form takes each for what it is, whatever it says of itself."""
    forms = [b"org=acme-9", b"", b"[", b"{", b"org=1&x={}", b'{"org": 1}&org=acme-9', b'"&org=acme-9&"', b"1", b"\xff"]
    documents_of_both = [text.encode("utf-8", "replace") for text in documents("/org")]
    types = [*oddities.FORM_TYPES, *oddities.JSON_TYPES, *oddities.ODD_TYPES]
    bodies = [Sent(data, each) for data in (*forms, *documents_of_both[:20]) for each in types]
    bodies += [Sent(text.encode(), [FORM]) for text in oddities.finished(documents("/org")[0], FOUND)]
    compare(policy_of({"body": "/org"}, {"form": "org"}), map(posted, bodies))


@pytest.mark.parametrize("limit", ["1MiB", "31B", "30B"])
@pytest.mark.parametrize("source", [{"body": "/org"}, {"form": "org"}])
def test_every_coding_is_undone_as_the_reference_undoes_it(source: Policy, limit: str) -> None:
    """One coding or two, whole, doubled and damaged, under right and wrong names, within the limit and beyond it."""
    data, types = (
        (b'{"org": "acme-9", "x": "yyyy"} ', [JSON])
        if "body" in source
        else (b"x=yyyyyyyyyyyyyyyyyyyy&org=acme-9", [FORM])
    )
    compare(policy_of(source) | {"body_limit": limit}, (posted(Sent(*each)) for each in coded_bodies(data[:31], types)))


def documents(pointer: str) -> list[str]:
    """Return documents with every value and every edit, the plainest first."""
    steps = pointer.split("/")[1:]
    return [
        text
        for value, is_list, is_ascii in product(oddities.org_values(FOUND), (True, False), (False, True))
        for text in oddities.edited(
            json.dumps(oddities.nested({"name": "x"}, steps, value, is_list), ensure_ascii=is_ascii), FOUND
        )
    ]
