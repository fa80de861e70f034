"""Finds, reads and watches the policy's files, and keeps the policy in force up to date."""
