"""`orgfence` that looks at its policy's files as often as its first argument says, in seconds."""

import sys
from functools import partial

from orgfence.cli import main, run
from orgfence.policy_source.in_force import PolicyInForce

if __name__ == "__main__":
    often = partial(PolicyInForce, interval=float(sys.argv.pop(1)))
    run.PolicyInForce = often  # type: ignore[attr-defined,assignment] # the name that `run` calls it by
    main(prog_name="orgfence")
