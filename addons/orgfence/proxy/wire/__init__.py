"""Where mitmproxy's reading and writing of HTTP is not what a guard needs: answers, bodies, connections to upstream."""
