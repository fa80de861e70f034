"""What a credential says once it is read."""
