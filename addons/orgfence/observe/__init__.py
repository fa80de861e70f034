"""What is seen of orgfence from outside: metrics, the log and the admin server. Nothing here judges."""
