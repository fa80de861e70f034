"""What may be shown of a request: its secrets are left out, and every character is seen as itself."""
