"""Run one command, and stop its process group when the caller ends.

python guard.py GRACE COMMAND…

When standard input ends, because the caller is done or died, the process group gets SIGTERM, and SIGKILL after GRACE
seconds. This file is run by its path, so that it starts quickly.
"""

import os
import signal
import subprocess
import sys
import threading


def main(grace: float, command: list[str]) -> int:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # the group is signalled, and this process is in it
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    is_released = threading.Event()

    def stop_when_released() -> None:
        while os.read(0, 1):
            pass
        is_released.set()
        os.killpg(0, signal.SIGTERM)
        try:
            child.wait(grace)
        finally:
            os.killpg(0, signal.SIGKILL)

    stopper = threading.Thread(target=stop_when_released, daemon=True)
    stopper.start()
    code = child.wait()
    if is_released.is_set():
        stopper.join()
    os.killpg(0, signal.SIGTERM)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
