"""Apps that sign in by the client libraries of npm, which `npm ci` in tests/node installs."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.oauth.issuer import secret_of
from tests.oauth.stage import REDIRECT_URI, Stage
from tests.oauth.tokens import ISS
from tests.proxy.harness import DEADLINE

_FOLDER = Path(__file__).parents[1] / "node"
_NODE = shutil.which("node")


def _is_ready() -> bool:
    """Return whether the libraries are installed, and node is one that they run on."""
    if _NODE is None or not (_FOLDER / "node_modules" / ".package-lock.json").is_file():
        return False
    version = subprocess.run([_NODE, "--version"], capture_output=True, check=False).stdout.decode()
    major = version.removeprefix("v").partition(".")[0]
    return major.isdecimal() and int(major) >= 20


needs_node = pytest.mark.skipif(
    not _is_ready(), reason="there is no `node` from 20 on here, or `npm ci --prefix tests/node` was not run"
)


class Settings(NamedTuple):
    """How an app signs in and refreshes."""

    library: str
    client: str
    scope: str
    #: What its authorize request holds beside what each does.
    authorize: dict[str, str]
    #: Whether it sends its secret in the body, and not by Basic.
    in_body: bool = False
    #: Whether its token requests are JSON.
    json: bool = False
    #: Whether it pushes its authorize request.
    par: bool = False
    #: Whether its refreshes repeat the scope.
    repeat_scope: bool = False


def sign_in(stage: Stage, settings: Settings) -> dict[str, Any]:
    """Sign in, refresh twice, call the API for acme with each token; return its statuses, or the library's error."""
    assert _NODE is not None
    given = {
        **settings._asdict(),
        "secret": secret_of(settings.client),
        "proxy": stage.proxies["https"],
        "iss": ISS,
        "issuer": stage.servers.issuer.tls_url,
        "api": stage.users("acme"),
        "redirect_uri": REDIRECT_URI,
    }
    finished = subprocess.run(
        [_NODE, "sign_in.mjs", json.dumps(given)],
        cwd=_FOLDER,
        env={**os.environ, "NODE_EXTRA_CA_CERTS": stage.ca},
        capture_output=True,
        check=False,
        timeout=3 * DEADLINE,
    )
    assert finished.returncode == 0, finished.stderr.decode()
    told: dict[str, Any] = json.loads(finished.stdout)
    return told
