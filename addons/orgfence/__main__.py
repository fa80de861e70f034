"""`python -m orgfence`."""

from orgfence.cli import main

main(prog_name="orgfence")
