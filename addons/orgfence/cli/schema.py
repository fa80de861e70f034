"""`orgfence schema`: what editors complete and check policies by."""

import json

import click

from orgfence.core.policy.schema import policy_schema


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of a policy file."""
    click.echo(json.dumps(policy_schema(), indent=2, ensure_ascii=False))
