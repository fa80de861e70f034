"""What the package takes for granted of mitmproxy's inside, and how each of it is found out.

Start at `assumptions`: the list. The other modules hold its checks, one module for each part of mitmproxy.
"""
