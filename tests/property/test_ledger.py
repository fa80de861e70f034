"""What holds for the grant ledger however many sign-ins are interleaved, replayed, stolen or half seen."""

import gc
import random
import types

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.sign_ins import STEPS, World

from orgfence.core.oauth.exchange import AuthorizeRequest, Redirect, TokenRequest, TokenResponse
from orgfence.core.oauth.grant import Authorization
from orgfence.core.oauth.ledger import GrantLedger

SEEDS = st.integers(0, 2**32)
#: Objects by which all else in the process can be reached.
OUTSIDE = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType)


@given(SEEDS, st.integers(1, 40), st.lists(st.sampled_from(STEPS), min_size=20, max_size=200))
def test_what_is_said_is_true_and_all_that_can_be_told_is_said(seed: int, room: int, steps: list[str]) -> None:
    """A ledger with room for all says what the reference says; one with hardly any is silent where it does not know."""
    world = World(seed, room)
    for step in steps:
        world.step(step)
    world.check()
    assert not secrets_in(world.roomy)
    assert not secrets_in(world.tight)


@given(SEEDS)
@settings(max_examples=15)
def test_thousands_of_steps_lead_to_nobody_elses_grant(seed: int) -> None:
    """At a pace at which a day has room for them all, and with many of them attributed."""
    world = World(seed, room=200)
    steps = [step for step in STEPS if step != "wait"]
    for _ in range(3000):
        world.step(world.choices.choice(steps))
    world.check()
    assert world.attributed > 40
    assert not secrets_in(world.roomy)


@given(SEEDS, st.integers(1, 400))
@settings(max_examples=15)
def test_every_sign_in_with_a_state_of_its_own_is_attributed(seed: int, users: int) -> None:
    """To its own authorize request and no other, however the users' steps are interleaved."""
    ledger = GrantLedger()
    order = random.Random(seed)
    turns = [user for user in range(users) for _ in range(4)]
    order.shuffle(turns)
    steps = dict.fromkeys(range(users), 0)
    begun = {}
    for now, user in enumerate(turns):
        step = steps[user]
        steps[user] += 1
        if step == 0:
            begun[user] = Authorization(now, (b"org-%d" % user,), None)
            ledger.authorized("corp", AuthorizeRequest("app", begun[user].orgs, None, "/", f"{user}"), now)
        elif step == 1:
            ledger.redirected("corp", Redirect("/", f"{user}", f"code-{user}", None), None, now)
        else:
            kind, used = (("authorization_code", "code"), ("refresh_token", "refresh"))[step - 2]
            request = TokenRequest(kind, "app", (), None, f"{used}-{user}")
            response = TokenResponse(f"access-{step}-{user}", f"refresh-{user}", None, None)
            ledger.issued("corp", request, response, None, now)

    for user in range(users):
        for step in (2, 3):
            grant = ledger.grant_of_token(f"access-{step}-{user}".encode(), len(turns))
            assert grant is not None
            assert (grant.authorization, grant.refreshes) == (begun[user], step - 2)
            assert grant.orgs == {b"org-%d" % user}


def test_the_search_for_secrets_finds_them() -> None:
    """Wherever an object can have them."""
    ledger = GrantLedger()
    ledger.issued("corp", TokenRequest("SECRET", "app", (), None), TokenResponse("access", None, None, None), None, 0)
    assert secrets_in(ledger) == ["SECRET"]
    assert secrets_in({"a": [(b"SECRET",), {"SECRET": frozenset({bytearray(b"SECRET").hex()})}]})


def secrets_in(start: object) -> list[str]:
    """Return what is secret among all objects that can be reached from one."""
    seen, found, waiting = {id(start)}, [], [start]
    while waiting:
        item = waiting.pop()
        if isinstance(item, bytes | bytearray) and b"SECRET" in item:
            found.append(item.decode())
        if isinstance(item, str) and "SECRET" in item:
            found.append(item)
        for other in gc.get_referents(item):
            if id(other) not in seen and not isinstance(other, OUTSIDE):
                seen.add(id(other))
                waiting.append(other)
    return found
