"""Why a rule does not match a request that was written as an example of it, as far as that is told in a sentence."""

from orgfence.core.policy.compile_rules import CompiledRule
from orgfence.core.policy.wording import did_you_mean, listed, shown
from orgfence.core.request import Request, scan_headers
from orgfence.core.routing.matching import takes_one_of
from orgfence.core.routing.methods import methods_of
from orgfence.core.routing.readings import plain_reading
from orgfence.core.ruleset import Ruleset


def why_unmatched(request: Request, holder: CompiledRule, ruleset: Ruleset) -> str:
    """Say which part of the rule's `match` or `except` keeps it from matching; nothing if none of them does."""
    rule, name = holder.rule, shown(holder.rule.id)
    fields = scan_headers(request.headers, ruleset.wanted_headers)
    guarded = ruleset.hosts_of(request, fields)
    matched = [route for hosts in guarded for host in hosts for route in host.paths.routes if route.rule is rule]
    if not matched:
        host = request.authorities[0].name.decode()
        return f"{shown(host)} is none of the hosts of {name}.{did_you_mean(host, holder.entry.match.hosts)}".rstrip(
            "."
        )

    segments = plain_reading(request.target, rule.encoded_slash).segments
    path = request.target.partition(b"?")[0].decode()
    if not any(route.path.matches(segments) for route in matched):
        return f"{shown(path)} matches none of the paths of {name}."
    excepting = next((template for template in rule.except_paths if template.matches(segments)), None)
    if excepting is not None:
        return f"{shown(excepting.text)} under `except` of {name} leaves {shown(path)} out."
    if rule.methods is not None and not takes_one_of(rule, methods_of(request.method, fields)):
        takes = listed(sorted(method.decode() for method in rule.methods), "and")
        return f"{name} is for {takes} only, not for {shown(request.method.decode())}."
    if rule.listen is not None and request.listen_port not in rule.listen:
        ports = listed(map(str, sorted(rule.listen)), "and")
        return f"{name} is for the port {ports} only, not for `{request.listen_port}`; `listen` names the example's."
    return ""
