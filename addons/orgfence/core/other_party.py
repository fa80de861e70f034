"""Where an API names an org that is not the token's: a partner who is given access, a customer who gives it.

To compare such an org with the token's would stop what is right. It is set aside alone, and only where the issuer says
so: for its own tokens, in that segment or parameter, in a reading of the path that is about it.
"""

from orgfence.core.routing.matching import Match
from orgfence.core.routing.overlap import host_covers
from orgfence.core.rule import Issuer, OrgSource, OtherParty, PlaceKind


def compared_sources(match: Match, issuer: Issuer) -> tuple[OrgSource, ...]:
    """Return the rule's sources of the requested org but for those that name another party here."""
    rule, reading = match.route.rule, match.reading
    assert reading is not None
    named = [each for each in issuer.other_party if each.path.matches(reading.segments)]
    if not named or not _is_its_api(match, issuer):
        return rule.org
    return tuple(source for source in rule.org if not _names_another(source, match, named))


def _is_its_api(match: Match, issuer: Issuer) -> bool:
    """Return whether the request is for the issuer's API: its tokens may be sent to others, whose paths look alike."""
    if not issuer.hosts or match.route.rule.issuer == issuer.name:
        return True
    matches = (match, *match.also)
    return all(any(host_covers(own, each.route.host) for own in issuer.hosts) for each in matches)


def _names_another(source: OrgSource, match: Match, named: list[OtherParty]) -> bool:
    if source.kind is PlaceKind.QUERY:
        return any(source.name in each.query for each in named)
    if source.kind is not PlaceKind.PATH:
        return False
    # Of several paths that match each may capture another segment, and all of them are compared.
    paths = (each.route.path for each in (match, *match.also))
    positions = {path.position(source.name) for path in paths if source.name in path.names}
    return bool(positions) and positions <= {position for each in named for position in each.segments}
