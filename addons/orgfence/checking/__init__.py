"""`orgfence check`: a policy held to its own examples, and everything that is odd about it, before it runs anywhere."""
