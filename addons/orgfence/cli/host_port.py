"""The command line's parameter type `HOST:PORT`."""

import click

from orgfence.addresses import Address, parse_address


class _Unusable(click.ClickException):
    """A usage error in one line, where click's own takes three."""

    exit_code = 2


class _HostPort(click.ParamType):  # type: ignore[type-arg] # generic in newer versions of click only
    name = "HOST:PORT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        try:
            return parse_address(str(value))
        except ValueError as error:
            option = "" if param is None else f"{param.opts[0]}: "
            raise _Unusable(f"{option}{error}") from None


HOST_PORT = _HostPort()
