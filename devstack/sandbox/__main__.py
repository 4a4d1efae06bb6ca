"""Serve the partners' APIs until SIGTERM or SIGINT. Prints one line, `{"url": …}`, when it answers."""

import argparse
import json
import signal
import sys
import tomllib
from pathlib import Path

from devstack.sandbox.server import DEFAULT_PACE, Sandbox

STOP = {signal.SIGTERM, signal.SIGINT}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m devstack.sandbox", description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True, help="where keys and secrets.json are kept")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--pace", type=float, default=DEFAULT_PACE, help="seconds a deal stays in one status")
    parser.add_argument("--partners", type=Path, help="a TOML file with further partners by name")
    given = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP)  # in the server's thread too
    try:
        further = tomllib.loads(given.partners.read_text(encoding="utf-8")) if given.partners else {}
        with Sandbox(given.state_dir, port=given.port, pace=given.pace, further=further) as sandbox:
            print(json.dumps({"url": sandbox.url}), flush=True)
            signal.sigwait(STOP)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
