"""OAuth exchanges: what is asked of an issuer, what it answers, and which token came of which request."""
