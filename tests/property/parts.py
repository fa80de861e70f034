"""The parts of a request that most likely are what a rule is for, and name the org where it reads it."""

from hypothesis import strategies as st
from tests.property.oddities import odd_names
from tests.property.policies import PATHS, chance
from tests.property.reference_token import Policy, listed

from orgfence.core.request import Authority


@st.composite
def host_names(draw: st.DrawFn, rule: Policy, org: str) -> Authority:
    """Draw an authority that most likely is one of a rule's hosts."""
    template = "elsewhere.invalid" if draw(chance(10)) else draw(st.sampled_from(rule["match"]["hosts"]))
    label = org if org.isascii() and org.replace("-", "").isalnum() else "acme"
    name = template.replace("{tenant}", label).replace("*", draw(st.sampled_from(["one", "two.api"])))
    name = draw(st.sampled_from([name, name, name.upper()]))
    if ":" not in name:
        name += draw(st.sampled_from(["", "", ".", ":8443", ":443"]))
    return Authority(name.encode(), draw(st.sampled_from([443, 80, 8443])))


@st.composite
def paths(draw: st.DrawFn, rule: Policy, org: str) -> bytes:
    """Draw a path that most likely is one of a rule's."""
    excepted = [path for exception in rule.get("except", []) for path in exception.get("paths", [])]
    known = rule["match"].get("paths", ["/orgs/{org}/**"])
    path: str = draw(st.sampled_from([*excepted, *PATHS] if draw(chance(4)) else known))
    rest = draw(st.sampled_from(["", "users", "users/7", "orgs/globex/users/7", "me"]))
    if draw(chance(8)):
        path = draw(st.sampled_from([path.upper().replace("{ORG}", "{org}"), path.replace("s", "\u017f")]))
    org = org.replace("/", draw(st.sampled_from(["%2F", "%2F", "%2f", "/"])))
    path = path.replace("**", rest).replace("{org}", org).replace("*", "any").replace("{", "").replace("}", "")
    written = path.encode().replace(b" ", draw(st.sampled_from([b"%20", b"+"]))).replace(b",", b"%2C")
    return written + draw(st.sampled_from([b"", b"", b"/"]))


@st.composite
def queries(draw: st.DrawFn, rule: Policy, org: str) -> bytes:
    """Draw a query: most often what names the org, if the rule reads it there, else none."""
    pairs = [f"org_id={org}", "org_id=", "org_id=globex", "org%5Fid=acme", "page=2", "org_id", "x=1;org_id=initech"]
    found = draw(st.lists(st.sampled_from(pairs), max_size=2)) if draw(chance(3)) else []
    pieces = [piece.replace(" ", "+").encode() for piece in found]
    if source := source_in(rule, "query"):
        pieces += [b"org_id=" + value.replace(" ", "+").encode() for value in draw(org_values(source, org))]
        if draw(chance(3)):
            odd = (
                draw(st.sampled_from(odd_names("org_id")))
                + b"="
                + draw(st.sampled_from([org, org, "globex", ""])).encode()
            )
            pieces.insert(draw(st.integers(0, len(pieces))), odd)
    return draw(st.sampled_from([b"&", b"&", b"&", b";"])).join(pieces)


@st.composite
def org_fields(draw: st.DrawFn, rule: Policy, org: str) -> list[tuple[bytes, bytes]]:
    """Draw the header fields that name the org, if the rule reads it there: most often one."""
    fields: list[tuple[bytes, bytes]] = []
    if source := source_in(rule, "cookie"):
        for value in draw(org_values(source, org)):
            forms = [
                f"org={value}",
                f"org={value}",
                f'org="{value}"; sid=',
                f"a=1; org={value}; org=globex",
                f"ORG={value}",
            ]
            fields.append((b"Cookie", draw(st.sampled_from(forms)).encode()))
        if draw(chance(3)):
            odd = draw(st.sampled_from(odd_names("org"))) + draw(st.sampled_from([b"=", b"=", b" = ", b"= "]))
            odd += draw(st.sampled_from([org, org, "globex", f"{org} x", f"{org},x"])).encode()
            before = draw(
                st.sampled_from([b"", b"a=b; ", b"a=b ", b"a=b,", b"a=b\t", b"a=b;", b"a=\xa0", b"org ", b"a= "])
            )
            fields.append((b"Cookie", before + odd))
    if source := source_in(rule, "header"):
        values = draw(org_values(source, org))
        fields += [(draw(st.sampled_from([b"X-Org-Id", b"x_org_id"])), value.encode()) for value in values]
    return fields


def source_in(rule: Policy, kind: str) -> Policy | None:
    """Return the source of that kind from which a rule reads its org."""
    return next((source for source in listed(rule.get("org", [])) if kind in source), None)


@st.composite
def org_values(draw: st.DrawFn, source: Policy, org: str) -> list[str]:
    """Draw what a source gives: most often one value, and where it is split one that several orgs stand in."""
    if draw(chance(5)):
        return draw(st.sampled_from([[], [""], [org, "globex"], ["globex", org]]))
    separator = source.get("split", ",")
    several = [f"{org}{separator}{org}", f"{org} {separator}  {org} ", f"{org}{separator}", f"{org}{separator}globex"]
    return [draw(st.sampled_from([org, *several] if "split" in source else [org, org, org, org, org, several[0]]))]
