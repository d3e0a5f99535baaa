"""Video files, decoded frame by frame as they are asked for."""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from satsr.errors import SatsrError

SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".m4v")
FOUND = 0.95
"""The least share of the frames that a header claims: some containers only estimate them."""


def loaders(path: Path) -> list[Callable[[], np.ndarray]]:
    """A function for each frame of a video file that gives it as RGB uint8 (H, W, 3).

    The file is gone through once to count them, because the number in its header is often a little wrong. They are
    meant to be called once each and roughly in order.

    Raises:
        SatsrError: the file cannot be opened as a video, holds no frames, or far fewer than its header says.
    """
    video = _Video(path)
    return [partial(video.load, index) for index in range(video.count())]


class _Video:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._capture: cv2.VideoCapture | None = None
        self._next = 0
        self._waiting: dict[int, np.ndarray] = {}

    def count(self) -> int:
        capture = self._open()
        claimed, frames = capture.get(cv2.CAP_PROP_FRAME_COUNT), 0
        while capture.grab():
            frames += 1
        capture.release()
        if not frames:
            raise SatsrError(f"{self.path} holds no frames that can be decoded: copy it again or convert it to MP4.")
        if frames < FOUND * claimed:
            raise SatsrError(
                f"{self.path} says it has {claimed:.0f} frames, but {frames} can be decoded: it is cut off or damaged. "
                "Copy it again, or convert it to MP4 to work with what there is."
            )
        return frames

    def load(self, index: int) -> np.ndarray:
        """Frame ``index``; frames passed on the way are kept for the threads that will ask for them."""
        with self._lock:
            if index in self._waiting:
                return self._waiting.pop(index)
            if self._capture is None or index < self._next:
                self._capture, self._next = self._open(), 0
                self._waiting.clear()
            while True:
                read, image = self._capture.read()
                if not read or image.ndim != 3:
                    raise SatsrError(f"{self.path} could not be decoded at frame {self._next}: it may be damaged.")
                frame = np.ascontiguousarray(image[..., ::-1])
                self._next += 1
                if self._next > index:
                    return frame
                self._waiting[self._next - 1] = frame

    def _open(self) -> cv2.VideoCapture:
        # OpenCV would turn frames by the rotation tag of phones: kept, because that is what a viewer shows.
        capture = cv2.VideoCapture(str(self.path))
        if not capture.isOpened():
            raise SatsrError(f"{self.path} cannot be opened as a video: copy it again or convert it to MP4.")
        return capture
