"""Which connections are looked into, and what reads them."""
