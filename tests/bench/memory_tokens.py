"""What the proxy's memory does under 1,000,000 requests with 200,000 tokens.

That is several times what its cache of tokens has room for.
"""

import random
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench import contenders
from tests.bench.curve import draw, sampling
from tests.bench.parts import Run
from tests.bench.table import Row
from tests.bench.upstreams import answering

#: By how much it may be more at the end than it was when the cache was full.
_GROWTH = 1.05


def rows(run: Run) -> list[Row]:
    """Return the memory while they come, and whether it stays what it is once the cache is full."""
    requests, tokens = (10_000, 5_000) if run.quick else (1_000_000, 200_000)
    with (
        tempfile.TemporaryDirectory() as name,
        answering(Path(name)) as (upstream, _),
        contenders.orgfence(upstream, Path(name)) as proxy,
    ):
        words = [str(proxy.process.port), str(requests), str(tokens), str(random.randrange(2**32))]
        with sampling("resident memory", proxy.process.pid) as curve:
            client = subprocess.run(
                [sys.executable, "-m", "tests.bench.many_tokens", *words],
                capture_output=True,
                text=True,
                check=False,
                timeout=1400,
            )
        if client.returncode != 0:
            raise RuntimeError((client.stderr.strip().splitlines() or ["the client failed"])[-1])
        if (judged := proxy.counted("forwarded")) != requests:
            raise RuntimeError(f"orgfence allowed {judged} of {requests} requests")
    ratio = curve.end / curve.at(0.5)
    title = f"{requests:,} requests with {tokens:,} tokens"
    picture = draw([curve], title, run.pictures / "memory-tokens.png")
    measured = f"{curve.words()}; end : half time {ratio:.2f} ×; {client.stdout.strip()}"
    # A short run ends before the cache is full.
    met = None if run.quick else ratio <= _GROWTH
    return [Row(title, measured, f"end ≤ {_GROWTH} × half time", met, picture)]
