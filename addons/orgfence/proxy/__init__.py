"""The edge towards mitmproxy: hooks, enforcement on a flow, and the lean master that runs them.

What leans on mitmproxy's inside, and not only on its documented hooks, stands in three modules, each of which
says what it relies on: `early_answer`, `dispatch` and `lean_master`.
"""
