"""What the edge has learnt so far, handed to the core with every request."""

from typing import NamedTuple

from orgfence.core.oauth.ledger import GrantLedger
from orgfence.core.tokens.cache import TokenCache


class Known(NamedTuple):
    """The state that outlives a request. All of it is caches: bounded, and safe to lose."""

    #: Tokens that were read before.
    tokens: TokenCache
    #: Which token came of which authorize request; None: nobody has looked.
    grants: GrantLedger | None = None
