"""The connection to the scheduler of a Dask cluster: where nobody answers, that is a sentence, and nobody waits."""

import asyncio
import logging
import re
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any

from satsr.errors import SatsrError, absences

CONNECT = 10.0
"""Seconds in which a scheduler answers, and its first worker is there."""


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """A client of the cluster at an address, such as ``tcp://10.0.0.5:8786``.

    Raises:
        SatsrError: Dask is not installed, or nobody answers there.
    """
    with absences():
        from distributed import Client
    with _calm("distributed", "distributed.client"):
        try:
            asyncio.run(_answer(address))  # a client that found nobody would ask on until the process ends
            client = Client(address, timeout=CONNECT, set_as_default=False)
        except (OSError, ValueError, RuntimeError) as error:
            reason = _words(error) or f"nothing was said for {CONNECT:.0f} s"
            raise SatsrError(
                f"no Dask scheduler answers at {shown(address) or 'an empty address'} ({reason}): start one with `dask "
                "scheduler`, give the address that it prints, or leave out --scheduler."
            ) from None
        try:
            with client.as_current():
                yield client
        finally:
            client.close(timeout=CONNECT)


@contextmanager
def heard(address: str) -> Iterator[None]:
    """Turns the loss of a connection into a sentence.

    Raises:
        SatsrError: so.
    """
    try:
        yield
    except (OSError, RuntimeError, CancelledError) as error:
        why = "" if isinstance(error, CancelledError) else f" ({_words(error)})"
        raise SatsrError(
            f"the connection to the Dask scheduler at {shown(address)} was lost{why}: the same command goes on with "
            "what is finished."
        ) from None


def shown(text: str) -> str:
    """Without the names and passwords that some write before a host, which Dask's addresses do not have."""
    return re.sub(r"[^\s/'\"]+@", "***@", text)


def _words(error: BaseException) -> str:
    return shown(" ".join(str(error).split()))[:200]


async def _answer(address: str) -> None:
    """Returns when somebody at an address speaks Dask's language.

    Raises:
        OSError: nobody does.
        ValueError: it is no address.
    """
    from distributed import Security
    from distributed.comm import connect
    from distributed.comm.addressing import normalize_address

    async with asyncio.timeout(CONNECT):  # Dask's own ends with the connection, before anything is said
        comm = await connect(normalize_address(address), **Security().get_connection_args("client"))
    await comm.close()


@contextmanager
def _calm(*names: str) -> Iterator[None]:
    """Keeps loggers silent: what they mean is told as a sentence."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
