"""What a rule finds in a request's body, and the bodies of which nobody can say what a server would find."""

import gzip
import zlib
from collections.abc import Callable

import brotli  # type: ignore[import-untyped]  # it ships neither annotations nor stubs
import pytest

from orgfence.core import body as body_module
from orgfence.core.body import NEEDED_HEADERS, RequestBody
from orgfence.core.names import Found, OtherName

LIMIT = 64 * 1024
FORM = b"application/x-www-form-urlencoded"
JSON = b"application/json"
ORG = ("org",)


def body_of(
    raw: bytes | None, *types: bytes, coding: bytes | None = None, connection: bytes | None = None
) -> RequestBody:
    fields = {b"content-type": list(types)} if types else {}
    if coding is not None:
        fields[b"content-encoding"] = [coding]
    if connection is not None:
        fields[b"connection"] = [connection]
    return RequestBody(raw, fields, LIMIT)


def test_its_needed_headers_are_canonical_names() -> None:
    """Whoever collects the fields of a request asks for these."""
    assert frozenset({b"content-type", b"content-encoding"}) == NEEDED_HEADERS


@pytest.mark.parametrize("either", [True, False])
def test_what_could_not_be_had_is_unread_and_an_empty_body_holds_nothing(either: bool) -> None:
    """Whatever the header fields say of it."""
    unread = body_of(None, JSON)
    assert unread.json_values(ORG, or_form=either) is None
    assert unread.form_values(b"org", or_json=either) is None
    for empty in (body_of(b""), body_of(b"", b"a/b", b"c/d", coding=b"what", connection=b"Content-Type")):
        assert empty.json_values(ORG, or_form=either) == []
        assert empty.form_values(b"org", or_json=either) == []


@pytest.mark.parametrize(
    "content_type",
    [b"application/json", b"application/vnd.api+json; charset=utf-8", b"text/plain", b"", FORM, b"multipart/form-data"],
)
def test_json_is_read_whatever_the_media_type(content_type: bytes) -> None:
    """Servers parse it all the same."""
    assert body_of(b'{"org": "acme"}', content_type).json_values(ORG, or_form=False) == [b"acme"]
    assert body_of(b'{"org": "acme"}').json_values(ORG, or_form=False) == [b"acme"]


@pytest.mark.parametrize(
    ("charset", "values"),
    [
        (b"charset=utf-8", [b"acm\xc3\xa9"]),
        (b'charset="UTF-8"', [b"acm\xc3\xa9"]),
        (b" Charset = 'utf8' ; version=1", [b"acm\xc3\xa9"]),
        (b"charset=", [b"acm\xc3\xa9"]),
        (b"version=1", [b"acm\xc3\xa9"]),
        (b"charset=utf-8; charset=UTF-8", [b"acm\xc3\xa9"]),
        (b"charset=utf-8; charset=utf-16", None),
        (b"charset=iso-8859-1", None),
        (b"charset=utf-7", None),
        (b"charset=utf-16", None),
        (b"charset*=us-ascii'en'utf-8", None),
        (b'x="; charset=utf-16"', None),
        (b"charset=utf-8, text/plain", None),
    ],
)
def test_a_label_that_disagrees_leaves_json_unread(charset: bytes, values: list[bytes] | None) -> None:
    """Also one that only some parsers see."""
    body = body_of('{"org": "acmé"}'.encode(), JSON + b";" + charset)
    assert body.json_values(ORG, or_form=False) == values


@pytest.mark.parametrize(
    ("raw", "content_type", "values"),
    [
        # No JSON, and a form: nothing there for a pointer.
        (b"org=acme", FORM, []),
        (b"org=acme", b"Application/X-WWW-Form-Urlencoded ; charset=UTF-8", []),
        (b"org=acme", JSON, None),
        (b"org=acme", b"", None),
        (b"--x\r\n", b"multipart/form-data; boundary=x", None),
        # JSON under a form's media type is what some server reads.
        (b'{"org": "acme"}', FORM, [b"acme"]),
        # Nor is that read as nothing which a lenient or another parser would read.
        (b"{'org': 'acme'}", FORM, None),
        (b'\xef\xbb\xbf\n[{"org": NaN}]', FORM, None),
        (b'{\0"\0o\0"\0', FORM, None),
        (b'{"org": 1' + b"0" * 5000 + b"}", FORM, None),
        (b'{"org": "caf\xe9"}', FORM, None),
        (b"org=acme", FORM + b"; charset=cp037", None),
    ],
)
def test_a_body_that_may_be_a_form_instead_is_no_unread_json(
    raw: bytes, content_type: bytes, values: list[bytes] | None
) -> None:
    """Where the rule reads forms as well, a form holds nothing for a pointer; where it does not, it is unread."""
    body = body_of(raw, content_type)
    assert body.json_values(ORG, or_form=True) == values
    assert body.json_values(ORG, or_form=False) == (values or None)


@pytest.mark.parametrize(
    ("content_type", "values"),
    [
        (FORM, [b"acme"]),
        (b"APPLICATION/x-www-form-urlencoded ;charset=us-ascii", [b"acme"]),
        (FORM + b'; charset="utf-8"', [b"acme"]),
        (FORM + b"; charset=ISO-8859-1", [b"acme"]),
        (FORM + b"; charset=utf-16", None),
        (FORM + b"; charset=utf-7", None),
        (b"", [b"acme"]),
        (b"multipart/form-data; boundary=x", None),
        (b"text/plain", None),
        (JSON, None),
        (FORM + b", " + JSON, None),
    ],
)
def test_a_form_is_read_under_its_media_type_or_none(content_type: bytes, values: list[bytes] | None) -> None:
    """Under another media type nobody knows what a server makes of it; nor under a charset that is no ASCII."""
    assert body_of(b"org=acme", content_type).form_values(b"org", or_json=False) == values
    assert body_of(b"org=acme", content_type).form_values(b"org", or_json=True) == values


def test_without_a_content_type_a_body_may_be_a_form() -> None:
    """Some servers take it for one."""
    assert body_of(b"a=1&org=acme&org=").form_values(b"org", or_json=False) == [b"acme", b""]
    assert body_of(b"\x00\xff").form_values(b"org", or_json=False) == []


@pytest.mark.parametrize("label", [b"us-ascii", b"iso-8859-1"])
def test_beyond_ascii_a_forms_label_makes_two_texts_of_it(label: bytes) -> None:
    """Servers that go by the label and those that go by the standard differ."""
    labelled = FORM + b"; charset=" + label
    assert body_of(b"org=acm%C3%A9", labelled).form_values(b"org", or_json=False) is None
    assert body_of(b"org=acm%C3%A9", labelled).form_values(b"other", or_json=False) == []
    assert body_of(b"org=acme", labelled).form_values("örg".encode(), or_json=False) is None
    assert body_of(b"org=acm%C3%A9", FORM).form_values(b"org", or_json=False) == ["acmé".encode()]


def test_a_body_that_may_be_json_instead_is_no_unread_form() -> None:
    """It holds nothing for a form, but what a server finds that takes any body for one counts."""
    assert body_of(b'{"org": "acme"}', JSON).form_values(b"org", or_json=True) == []
    assert body_of(b'{"x": "&org=globex&"}', JSON).form_values(b"org", or_json=True) == [b"globex"]
    assert body_of('{"é": 1}'.encode("utf-16"), JSON + b";charset=utf-16").form_values(b"org", or_json=True) == []
    assert body_of(b'{"org": "acme"', JSON).form_values(b"org", or_json=True) is None
    assert body_of(b'{"org": NaN}', JSON).form_values(b"org", or_json=True) is None


def test_what_another_rule_asks_for_changes_nothing() -> None:
    """One body is asked by rules that take it for one thing and by rules that take it for either."""
    body = body_of(b'{"x": "&org=globex&"}', JSON)
    for _ in range(2):
        assert body.form_values(b"org", or_json=True) == [b"globex"]
        assert body.form_values(b"org", or_json=False) is None
    form = body_of(b"org=acme", FORM)
    for _ in range(2):
        assert form.json_values(ORG, or_form=True) == []
        assert form.json_values(ORG, or_form=False) is None


def test_too_many_values_leave_a_form_unread() -> None:
    """Under each name."""
    body = body_of(b"org=a&" * 10_001, FORM)
    assert body.form_values(b"org", or_json=False) is None
    assert body.form_values(b"other", or_json=False) is None


@pytest.mark.parametrize(
    ("coding", "coded"),
    [
        (b"gzip", gzip.compress),
        (b"deflate", zlib.compress),
        (b"br", brotli.compress),
        (b"identity", bytes),
        (b"deflate, GZIP", lambda plain: gzip.compress(zlib.compress(plain))),
    ],
)
def test_content_codings_are_undone(coding: bytes, coded: Callable[[bytes], bytes]) -> None:
    """For JSON and forms alike."""
    assert body_of(coded(b'{"org": "acme"}'), JSON, coding=coding).json_values(ORG, or_form=False) == [b"acme"]
    assert body_of(coded(b"org=acme"), FORM, coding=coding).form_values(b"org", or_json=False) == [b"acme"]


def test_codings_that_cannot_be_undone_leave_a_body_unread() -> None:
    """As JSON and as a form, and whether or not it may be the other."""
    body = body_of(b'{"org": "acme"}', JSON, coding=b"compress")
    assert body.json_values(ORG, or_form=True) is None
    assert body.form_values(b"org", or_json=True) is None


# RFC 1952 section 2.3: the flag 16 says that a comment follows, which ends with a zero.
COMMENT = b"\x1f\x8b\x08\x10\0\0\0\0\0\xff&org=globex&\0"


def test_what_a_server_reads_that_leaves_the_coding_on_counts_in_a_form() -> None:
    """A gzip header has room for a whole form."""
    coded = COMMENT + gzip.compress(b"org=acme")[10:]
    assert gzip.decompress(coded) == b"org=acme"
    assert body_of(coded, FORM, coding=b"gzip").form_values(b"org", or_json=False) == [b"acme", b"globex"]
    many = COMMENT.replace(b"&org=globex", b"&org=globex" * 10_001) + gzip.compress(b"org=acme")[10:]
    assert RequestBody(many, {b"content-encoding": [b"gzip"]}, 1 << 20).form_values(b"org", or_json=False) is None


def test_what_a_server_reads_that_knows_only_the_first_member_counts() -> None:
    """If it is JSON at all; what both readings show counts once."""
    form = gzip.compress(b"org=globe") + gzip.compress(b"x&org=acme")
    assert body_of(form, FORM, coding=b"gzip").form_values(b"org", or_json=False) == [b"globex", b"acme", b"globe"]
    numbers = gzip.compress(b"1") + gzip.compress(b"2")
    assert body_of(numbers, JSON, coding=b"gzip").json_values((), or_form=False) == [b"12", b"1"]
    same = gzip.compress(b'{"org": ["acme", "acme"]}') + gzip.compress(b" ")
    assert body_of(same, JSON, coding=b"gzip").json_values(ORG, or_form=False) == [b"acme", b"acme"]
    # By the label the first member is JSON that some read, and some do not.
    labels = gzip.compress(b"1") + gzip.compress(b"\0 \0")
    assert body_of(labels, JSON, coding=b"gzip").json_values((), or_form=False) == [b"1"]
    assert body_of(labels, JSON + b"; charset=utf-16", coding=b"gzip").json_values((), or_form=False) is None
    halves = gzip.compress(b'{"org": ') + gzip.compress(b'"acme"}')
    assert body_of(halves, JSON, coding=b"gzip").json_values(ORG, or_form=False) == [b"acme"]


def test_nothing_in_a_coding_is_nothing() -> None:
    """As it is without one."""
    body = body_of(gzip.compress(b""), FORM, coding=b"gzip")
    assert body.json_values(ORG, or_form=False) == []
    assert body.form_values(b"org", or_json=False) == []


@pytest.mark.parametrize("connection", [b"content-type", b"close, Content-Encoding", b"Content_Type"])
def test_a_field_that_connection_names_leaves_the_body_unread(connection: bytes) -> None:
    """Nobody knows whether the field arrives."""
    body = body_of(b'{"org": "acme"}', JSON, coding=b"identity", connection=connection)
    assert body.json_values(ORG, or_form=True) is None
    assert body.form_values(b"org", or_json=True) is None
    kept = body_of(b'{"org": "acme"}', JSON, connection=b"keep-alive")
    assert kept.json_values(ORG, or_form=True) == [b"acme"]


def test_two_content_types_leave_the_body_unread_unless_they_are_one() -> None:
    """Nobody knows which one a server goes by."""
    assert body_of(b"org=acme", FORM, JSON).form_values(b"org", or_json=True) is None
    assert body_of(b'{"org": "acme"}', FORM, JSON).json_values(ORG, or_form=True) is None
    assert body_of(b"org=acme", FORM, FORM + b" ").form_values(b"org", or_json=False) == [b"acme"]


def test_fields_of_one_coding_each_are_one_list() -> None:
    """RFC 9110 section 5.3 lets them be joined."""
    raw = gzip.compress(zlib.compress(b'{"org": "acme"}'))
    body = RequestBody(raw, {b"content-encoding": [b"deflate", b"", b"gzip"]}, LIMIT)
    assert body.json_values(ORG, or_form=False) == [b"acme"]


def test_each_step_is_taken_once_however_many_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request may be judged in 64 readings by many rules."""
    calls: list[str] = []
    for name in ("undo_codings", "parse_json", "JsonMembers", "Form"):
        monkeypatch.setattr(body_module, name, _counted(name, calls))
    body = body_of(b'{"org": "acme"}', JSON)
    for _ in range(3):
        assert body.json_values(ORG, or_form=False) == [b"acme"]
        assert body.form_values(b"org", or_json=True) == []
    assert sorted(calls) == ["Form", "JsonMembers", "parse_json", "undo_codings"]


def _counted(name: str, calls: list[str]) -> object:
    real = getattr(body_module, name)

    def counted(*arguments: object) -> object:
        calls.append(name)
        return real(*arguments)

    return counted


def test_a_body_is_not_shown() -> None:
    """It may hold secrets."""
    assert "acme" not in repr(body_of(b'{"org": "acme"}', JSON))


def test_other_readings_of_a_name_are_set_apart() -> None:
    """In JSON and in forms; `json_values` has all of them."""
    body = body_of(b'{"org": "acme", "ORG": "globex"}', JSON)
    assert body.find_members(ORG, or_form=False) == Found([b"acme"], [OtherName(b"ORG", b"org", b"globex")])
    assert body.json_values(ORG, or_form=False) == [b"acme", b"globex"]
    form = body_of(b"org=acme&Org=globex", FORM)
    assert form.find_fields(b"org", or_json=False) == Found([b"acme"], [OtherName(b"Org", b"org", b"globex")])
    assert form.form_values(b"org", or_json=False) == [b"acme"]


def test_what_only_one_taking_apart_of_the_body_shows_is_found_once() -> None:
    """A second member of gzip, which some servers do not read."""
    members = gzip.compress(b"org=acme&ORG=x&") + gzip.compress(b"org=globex&ORG=x&Org=y")
    found = body_of(members, FORM, coding=b"gzip").find_fields(b"org", or_json=False)
    assert found is not None
    assert found.values == [b"acme", b"globex"]
    assert [(other.sent, other.value) for other in found.others] == [(b"ORG", b"x"), (b"Org", b"y")]


def test_beyond_ascii_also_other_readings_make_two_texts_of_a_form() -> None:
    """Under a label of ASCII."""
    body = body_of("ORG=é".encode(), FORM + b"; charset=us-ascii")
    assert body.find_fields(b"org", or_json=False) is None
