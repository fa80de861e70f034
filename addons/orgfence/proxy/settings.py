"""What the operator asked for, and how it becomes mitmproxy's options: checked before anything listens.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

import difflib
import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from ldap3.core.exceptions import LDAPException
from mitmproxy import certs, exceptions
from mitmproxy.master import Master
from mitmproxy.options import CONF_BASENAME, Options
from mitmproxy.proxy.mode_specs import ProxyMode, ReverseMode

from orgfence.addresses import Address, shown
from orgfence.errors import StartError
from orgfence.proxy.options import NEEDED, REFUSABLE, refusal_of


@dataclass(frozen=True, slots=True)
class Settings:
    """What stands on the command line of `orgfence run`."""

    #: mitmproxy's mode specifications, at least one.
    modes: tuple[str, ...]
    #: Where a mode without an address of its own listens.
    listen: Address
    admin: Address
    #: mitmproxy options as `name=value`.
    options: tuple[str, ...]
    #: Whether to run mitmweb's page too.
    web: bool


# These have a flag of ours, and are what is announced and checked.
_FLAGS = {"mode": "--mode", "listen_host": "--listen", "listen_port": "--listen", "server": None}


def apply_settings(settings: Settings, master: Master) -> None:
    """Set the master's options. Raises `StartError` for one that is unknown, refused or malformed."""
    _check_modes(settings)
    options = master.options
    host, port = settings.listen
    try:
        options.update(**NEEDED)
        options.update(mode=list(settings.modes), listen_host=host, listen_port=port)
        for spec in settings.options:
            _check_known(spec.partition("=")[0], options)
        options.set(*settings.options)
        # mitmproxy tells addons only of what changed, and an option that keeps its default does not.
        options.update(confdir=options.confdir)
    except (exceptions.OptionsError, LDAPException) as error:
        raise StartError(_without_secrets(str(error), settings.options)) from None
    _check_trusted(options)
    _check_ca(master)


#: Options that are credentials, or hold one.
_SECRET = frozenset({"proxyauth", "upstream_auth"})


def _without_secrets(message: str, options: tuple[str, ...]) -> str:
    """Return mitmproxy's message without the credential that it quotes."""
    for option in options:
        name, _, value = option.partition("=")
        if name in _SECRET and any(part and part in message for part in (value, *value.split(":"))):
            return f"mitmproxy cannot use what its option `{name}` is set to. `mitmdump --options` says what it takes"
    return message


def _without_user(mode: str) -> str:
    """Return a mode without the credential that stands in its URL."""
    return re.sub(r"//[^/]*@", "//...@", mode)


# All that they forward comes by as HTTP, or is passed through because its host is not guarded.
_MODES = frozenset({"regular", "reverse", "upstream", "transparent", "socks5", "local"})
_SCHEMES = frozenset({"http", "https", "http3"})


def _check_modes(settings: Settings) -> None:
    taken: dict[Address, str] = {}
    without_address = []
    for mode in settings.modes:
        try:
            parsed = ProxyMode.parse(mode)
        except ValueError as error:
            if "@" in mode.partition("//")[2].partition("/")[0]:
                shown_mode = _without_user(mode)
                raise StartError(
                    f"mode `{shown_mode}` cannot be read: its URL takes no user and password. Leave them out"
                ) from None
            raise StartError(
                f"mode `{mode}` cannot be read: {error}. Use `regular`, `reverse:URL`, `upstream:URL` or `transparent`"
            ) from None
        if parsed.type_name not in _MODES or (isinstance(parsed, ReverseMode) and parsed.scheme not in _SCHEMES):
            raise StartError(
                f"mode `{mode}` carries what is not judged as HTTP, and would pass it on. Use `regular`, "
                "`reverse:https://HOST`, `upstream:URL`, `transparent` or `socks5`"
            )
        if parsed.custom_listen_port is None:
            without_address.append(mode)
            continue
        address = parsed.custom_listen_host or settings.listen[0], parsed.custom_listen_port
        if address in taken:
            raise StartError(
                f"`{taken[address]}` and `{mode}` would both listen on {shown(address)}. Give each its own port"
            )
        taken[address] = mode
    if len(without_address) > 1:
        both = " and ".join(f"`{mode}`" for mode in without_address)
        raise StartError(f"{both} would both listen on `--listen`. Give one of them its own, as in `MODE@8081`")


def _check_known(name: str, options: Options) -> None:
    """Refuse what nobody here defines: mitmproxy would keep it as deferred and say nothing."""
    if name in _FLAGS:
        fix = f"Use `{_FLAGS[name]}`" if _FLAGS[name] else "Leave it out"
        raise StartError(f"mitmproxy's option `{name}` cannot be set here. {fix}")
    if name in options:
        return
    if name in REFUSABLE:
        raise StartError(refusal_of(name))
    close = difflib.get_close_matches(name, options.keys(), n=1)
    fix = f"Did you mean `{close[0]}`?" if close else "`mitmdump --options` lists what there is"
    raise StartError(f"no loaded part of mitmproxy has an option `{name}`. {fix}")


def _check_trusted(options: Options) -> None:
    """Refuse a file of CAs that cannot be used, which mitmproxy would only find out with every connection."""
    file = options.ssl_verify_upstream_trusted_ca
    if file is None:
        return
    try:
        ssl.create_default_context(cafile=Path(file).expanduser())
    except OSError as error:
        why = "holds no certificate in PEM form" if isinstance(error, ssl.SSLError) else (error.strerror or "").lower()
        raise StartError(
            f"{file}: the CAs to trust upstream by cannot be read: {why}. Name a PEM file by "
            "`--set ssl_verify_upstream_trusted_ca=FILE`",
        ) from None


def _check_ca(master: Master) -> None:
    """Refuse a folder without a usable CA, which mitmproxy would only log."""
    if master.addons.get("tlsconfig").certstore is not None:
        return
    folder = Path(master.options.confdir).expanduser()
    try:
        certs.CertStore.from_store(folder, CONF_BASENAME, master.options.key_size)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
    except ValueError as error:
        why = f"not a usable certificate authority: {error}"
    else:  # it could be made now and not before
        why = "it was not usable when orgfence started"
    raise StartError(
        f"{folder}: cannot keep the CA there: {why}. Make the folder writable, or choose another by "
        "`--set confdir=FOLDER`",
        exit_code=1,
    )
