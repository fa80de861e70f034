"""From an inspection to plain data: what is said of it, and what is sent. No module here uses mitmproxy."""
