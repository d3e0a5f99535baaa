"""A DVC remote: where clones and machines that share no disk find each other's data, models and finished stages."""

import errno
import os
import re
from pathlib import Path

from satsr.errors import SatsrError, redact

REMOTE = "SATSR_REMOTE"
"""Environment variable with the remote's address, for machines that have no ``.dvc/config`` of this project."""
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
NAME = "satsr"
"""Of the remote in DVC's configuration."""
LIMITS = {"connect_timeout": 10, "read_timeout": 30}
"""Seconds until S3's client gives up a silent connection, a dozen times and more before it is an error; DVC's own is to
wait for ever."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
FULL = re.compile(r"no space left|insufficient ?storage|storage ?full|minimum free drive|quota", re.IGNORECASE)
"""What servers of S3 say that are full; they have no code in common."""


def described(url: str) -> dict[str, object]:
    """DVC's settings of a remote; credentials are not among them.

    Args:
        url: such as ``s3://bucket/prefix``, or a folder, which may be relative to the working directory.

    Raises:
        SatsrError: there is a user or a password in the address.
    """
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise SatsrError(
            f"the address {redact(url)} holds a user: leave it out. Credentials come from where the storage's tools "
            "look for them, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the environment."
        )
    if "://" not in url:
        return {"url": str(Path(url).expanduser().resolve())}
    if not url.startswith("s3://"):
        return {"url": url}
    endpoint = next((os.environ[name] for name in ENDPOINTS if os.environ.get(name)), None)
    return {"url": url, **LIMITS, **({"endpointurl": endpoint} if endpoint else {})}


def of_environment() -> dict[str, dict[str, object]]:
    """DVC's configuration with the remote that the environment names; empty where it names none."""
    url = os.environ.get(REMOTE)
    return {"core": {"remote": NAME}, "remote": {NAME: described(url)}} if url else {}


def unserved(address: str | None, error: BaseException) -> SatsrError:
    """What a storage raised as a sentence; each has exceptions of its own, which come with its package.

    Args:
        address: of the remote.
        error: what was raised.
    """
    if type(error).__name__ == "RemoteMissingDepsError":  # DVC's, of which the library knows nothing
        return SatsrError(f'the remote {address} needs packages: pip install "satsr[cluster]" ({said(error)}).')
    return SatsrError(
        f"the remote {address} does not serve ({said(error)}): look at its address and its credentials, and whether "
        "there is such a place, with room in it."
    )


def untaken(address: str | None, error: BaseException) -> SatsrError:
    """As :func:`unserved`, of what was raised when something was sent: the remote may be full.

    Args:
        address: of the remote.
        error: what was raised.
    """
    if not full(error):
        return unserved(address, error)
    return SatsrError(
        f"the remote {address} has no room for what is sent ({said(error)}): free some space there, or have its quota "
        "raised, and give the same command again. What has arrived is whole."
    )


def full(error: BaseException) -> bool:
    """Whether a storage raised it that has no room left."""
    return any(getattr(one, "errno", None) in NO_ROOM or FULL.search(str(one)) for one in _causes(error))


def _causes(error: BaseException) -> list[BaseException]:
    return [one for one in (error, error.__cause__) if one is not None]


def said(error: BaseException) -> str:
    """What an error and its cause say, in one line."""
    told = dict.fromkeys(" ".join(str(one).split())[:300] for one in _causes(error))
    return ": ".join(filter(None, told)) or type(error).__name__
