"""The Chromium that the browser tests run: the machine's own, else the one that Playwright fetches into `.local`."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

from devstack.workdir import PROJECT

# The headless shell takes a third less processor time: it paints pages only, not a browser's window.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSERS = PROJECT / ".local" / "browsers"
OPT_OUT = "WITHOUT_BROWSER"
MISSING = (
    "No Chromium: install one (on Debian: apt-get install chromium), let `playwright install chromium` reach the "
    f"network, or set {OPT_OUT}=1 to skip the browser tests."
)


class NoChromium(Exception):
    """There is no Chromium and none can be fetched."""


def chromium() -> Path:
    """The path of a Chromium; fetches one if there is none. Raises NoChromium."""
    installed = next(filter(None, map(shutil.which, NAMES)), None)
    if installed is not None:
        return Path(installed)
    BROWSERS.mkdir(parents=True, exist_ok=True)
    with (BROWSERS / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # pytest's workers look at the same time
        return _fetched() or _fetch()


def _fetched() -> Path | None:
    return next(iter(sorted(BROWSERS.glob("chromium-*/chrome-linux*/chrome"))), None)


def _fetch() -> Path:
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    env = {**os.environ, "PLAYWRIGHT_BROWSERS_PATH": str(BROWSERS)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=600, check=False)
    found = _fetched()
    if done.returncode != 0 or found is None:
        raise NoChromium(MISSING)
    return found
