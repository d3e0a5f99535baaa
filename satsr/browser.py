"""The browser of whoever sits at this computer."""

import os
import sys
import webbrowser
from contextlib import suppress


def shown(address: str) -> bool:
    """Opens an address in the browser; whether there is a display with one."""
    windows = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    with suppress(webbrowser.Error):
        return bool(windows) and webbrowser.open(address)
    return False
