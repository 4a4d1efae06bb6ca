"""The emulator answers queries as it does without our changes for speed."""

import json
import os
import subprocess
from collections import Counter
from pathlib import Path

from devstack.workdir import PROJECT, TOOLS

SCRIPT = PROJECT / "quality" / "testkit" / "aws" / "emulator_queries.py"
PATCH = PROJECT / "devstack" / "ministack_main.py"
SEED = "3"


def answers(folder: Path, *patch: str) -> list[str]:
    """Run the script and return its lines."""
    command = [str(TOOLS / "python"), str(SCRIPT), SEED, *patch]
    env = {**os.environ, "HOME": str(folder), "TMPDIR": str(folder)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


def test_patched_queries_return_what_the_emulators_own_return(tmp_path: Path) -> None:
    own, patched = answers(tmp_path), answers(tmp_path, str(PATCH))

    assert patched == own
    found = [json.loads(line) for line in own]
    queries = [(status, answer) for name, status, answer in found if name == "_query"]
    outcomes = Counter(answer.get("__type", "items" if answer.get("Items") else "none") for _, answer in queries)
    assert outcomes["items"] > 500
    assert outcomes["none"] > 100
    assert len(outcomes) > 2, "some are refused"
    assert sum("LastEvaluatedKey" in answer for _, answer in queries) > 200
