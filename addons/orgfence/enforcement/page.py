"""The page that a browser shows for a blocked request."""

import html
import re

from orgfence.enforcement.report import Report

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 42rem; margin: 4rem auto; padding: 0 1rem; color: #1c1c1e }}
h1 {{ font-size: 1.5rem; border-left: .4rem solid #c62828; padding-left: .8rem }}
dt {{ font-weight: 600; margin-top: .6rem }} dd {{ margin: 0 }} dd, li {{ overflow-wrap: anywhere }}
@media (prefers-color-scheme: dark) {{ body {{ background: #1c1c1e; color: #f2f2f7 }} }}
</style>
<h1>{title}</h1>
<p>{detail}</p>
<h2>What to do</h2>
<ul>{advice}</ul>
<dl>{facts}</dl>
<p><small>Stopped by orgfence before it reached the server.</small></p>
</html>
"""


def page_of(report: Report) -> tuple[dict[str, str], bytes]:
    """Return the header fields that the page needs, and the page."""
    told = report.told
    facts = {
        "Reason": str(report.decision.reason),
        "Rule": report.rule_id or "",
        "Orgs that the request is about": ", ".join(told.requested_orgs),
        "Orgs that the token is good for": ", ".join(told.granted_orgs),
        "Inspection": report.id,
    }
    page = _PAGE.format(
        title=html.escape(told.title),
        detail=html.escape(told.detail),
        advice="".join(f"<li>{_linked(step)}</li>" for step in told.advice),
        facts="".join(
            f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in facts.items() if value
        ),
    )
    return _FIELDS, page.encode("utf-8", "replace")


_FIELDS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


def _linked(step: str) -> str:
    """Return a step with its URLs ready to open."""
    parts = _URL.split(step)
    return "".join(
        f'<a href="{html.escape(part)}" rel="noreferrer">{html.escape(part)}</a>' if index % 2 else html.escape(part)
        for index, part in enumerate(parts)
    )


# Ours end with the step. Only a word is tried, and not each of its characters: that takes linear time.
_URL = re.compile(r"(?<!\S)(https?://\S+)\Z")
