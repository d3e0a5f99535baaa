"""A DVC remote: where clones and machines that share no disk find each other's data, models and finished stages."""

import os
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
    causes = dict.fromkeys(" ".join(str(one).split())[:300] for one in (error, error.__cause__) if one is not None)
    said = ": ".join(filter(None, causes)) or type(error).__name__
    if type(error).__name__ == "RemoteMissingDepsError":  # DVC's, of which the library knows nothing
        return SatsrError(f'the remote {address} needs packages: pip install "satsr[cluster]" ({said}).')
    return SatsrError(
        f"the remote {address} does not serve ({said}): look at its address and its credentials, and whether there is "
        "such a place."
    )
