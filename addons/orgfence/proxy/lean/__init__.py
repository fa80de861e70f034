"""mitmproxy with only what a guarding proxy needs."""
