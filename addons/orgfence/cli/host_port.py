"""The command line's parameter type `HOST:PORT`."""

import click

from orgfence.addresses import Address, parse_address


class _HostPort(click.ParamType):  # type: ignore[type-arg] # generic in newer versions of click only
    name = "HOST:PORT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        try:
            return parse_address(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


HOST_PORT = _HostPort()
