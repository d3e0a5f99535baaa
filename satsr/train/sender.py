"""Sends the checkpoints of a running training in the background; the training waits for none but the last."""

import sys
import time
from pathlib import Path
from threading import Thread

from satsr.errors import SatsrError
from satsr.train.remote import Remote, reason

GRACE_SECONDS = 25.0
"""How long the end of a training waits: Kubernetes kills a pod 30 seconds after it has told it to end."""


class Sender:
    """One checkpoint at a time is on its way to an address.

    Args:
        remote: the address.
        grace: for how many seconds the end of a training waits.

    Attributes:
        sending: the file that is on its way, which must stay.
    """

    def __init__(self, remote: Remote, grace: float = GRACE_SECONDS) -> None:
        self.remote, self.grace = remote, grace
        self.sending: Path | None = None
        self._thread: Thread | None = None
        self._begun = time.monotonic()
        self._failing = self._ending = False

    def due(self) -> bool:
        """Whether it is time to send a checkpoint: the interval is over, and none is on its way."""
        return not self._busy() and time.monotonic() - self._begun >= self.remote.seconds

    def send(self, path: Path) -> None:
        """Sends a checkpoint in the background."""
        self._begun, self.sending = time.monotonic(), path
        self._thread = Thread(target=self._send, args=(path,), name="checkpoints", daemon=True)
        self._thread.start()

    def last(self, path: Path) -> bool:
        """Sends the checkpoint of a training that is being stopped, and waits for it as long as there is time.

        Returns:
            Whether it arrived.
        """
        until, self._ending = time.monotonic() + self.grace, True
        _say(f"sending the last checkpoint to {self.remote.shown} (at most {self.grace:g} s)")
        self._wait(until)  # for one that is on its way already
        if not self._busy():
            self.send(path)
            self._wait(until)
        if self._busy():
            _say(f"{path.name} did not reach {self.remote.shown} in time; what arrived there before stays")
        return not self._busy() and not self._failing

    def finish(self) -> bool:
        """Waits until no checkpoint is on its way, as long as there is time; whether none is."""
        if self._busy():
            _say(f"a checkpoint is on its way to {self.remote.shown}: waiting at most {self.grace:g} s")
            self._wait(time.monotonic() + self.grace)
        return not self._busy()

    def _wait(self, until: float) -> None:
        if self._thread is not None:
            self._thread.join(max(0.0, until - time.monotonic()))

    def _busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _send(self, path: Path) -> None:
        try:
            self.remote.send(path)
        except Exception as error:
            self._tell(error)
            self._failing = True
        else:
            if self._failing:
                _say(f"checkpoints reach {self.remote.shown} again")
            self._failing = False
        finally:
            self.sending = None

    def _tell(self, error: Exception) -> None:
        """The first of several failures in a row, and that of the last checkpoint."""
        told = str(error) if isinstance(error, SatsrError) else reason(error)
        if self._ending:
            _say(told)
        elif not self._failing:
            _say(f"{told} The training goes on and tries again every {self.remote.seconds:g} s")


def _say(sentence: str) -> None:
    print(f"train: {sentence}", file=sys.stderr, flush=True)
