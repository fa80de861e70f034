"""Reads the policy from where it lies; what it says is the core's business."""

from importlib import resources
from pathlib import Path

from orgfence.core.policy.load import load_policy
from orgfence.core.ruleset import Ruleset
from orgfence.errors import StartError

STARTER_NAME = "starter policy"


def read_policy(path: Path) -> Ruleset:
    """Load one policy file. Raises `StartError` if it cannot be read and `PolicyError` for what it says."""
    if path.is_dir():
        raise StartError(f"{path}: a folder as a policy is not supported yet. Name one file")
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise StartError(
            f"{path}: there is no such file. Write a policy there, or leave out `--policy` to watch with the starter"
        ) from None
    except OSError as error:
        raise StartError(f"{path}: cannot be read: {error.strerror}. Make it readable for this user") from None
    return load_policy(text, str(path))


def read_starter() -> Ruleset:
    """Load the policy that applies when none is named: it observes every host by the common claims."""
    text = resources.files("orgfence.issuers").joinpath("starter.yaml").read_bytes()
    return load_policy(text, STARTER_NAME)
