"""The edge towards mitmproxy: hooks, enforcement on a flow, and the lean master that runs them.

What leans on mitmproxy's inside, and not only on its documented hooks, says so, and what exactly it takes for granted
stands in one list: `relied_on.assumptions`.
"""
