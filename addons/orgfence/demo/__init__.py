"""`orgfence demo`: an issuer, a multi-org API and the real proxy on this machine, and three requests between them.

A reader starts at `story.py`.
"""
