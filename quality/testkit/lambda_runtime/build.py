"""The build of the template, made once for all tiers and workers of a test run."""

import fcntl
import os
import shutil

from devstack import deployment
from devstack.workdir import PROJECT, Workdir

SHARED = Workdir(PROJECT / ".local" / "test-build")


def put_build(workdir: Workdir) -> None:
    """Give a workdir the build of the present sources, made first where there is none."""
    SHARED.root.mkdir(parents=True, exist_ok=True)
    with (SHARED.root / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        SHARED.logs.mkdir(exist_ok=True)
        deployment.build(SHARED, lock=lock.fileno())
        made, theirs = SHARED.build / "fingerprint", workdir.build / "fingerprint"
        if not theirs.exists() or theirs.read_text() != made.read_text():
            shutil.rmtree(workdir.build, ignore_errors=True)
            shutil.copytree(SHARED.build, workdir.build, symlinks=True, copy_function=os.link)
