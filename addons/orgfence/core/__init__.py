"""The pure core: from a request to what should be done with it. Start reading at `guard.inspect`."""
