"""`python -m quality.benchmarks.matchtrade_sync 10000 100000`: the first sync of a broker with so many accounts.

The function as it is, on the emulated AWS, against the partners' stand-in, each in a process of its own. It is killed
three times on the way, and otherwise stopped by its own time; then the whole history is read once more. Shown are the
function's greatest memory, its time, and whether every account is there.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from devstack import services
from devstack.clients import CONFIG, CREDENTIALS, REGION, Emulator
from devstack.sandbox.remote import Remote
from devstack.workdir import PROJECT, Home, choose_port, hold
from leadbridge import settings
from quality.benchmarks.processes import peak_mib
from quality.testkit.template import table_definition
from tools.config import ship

TABLE, PREFIX = "leads", "leadbridge"
KILLED_AFTER = (1.0, 1.5, 4.0)  # seconds that a run is given before it is killed
SECONDS = 75.0  # that a run has; it begins no page in the last 53 of them
MOST_RUNS = 500
WORKER = [sys.executable, "-m", "quality.benchmarks.matchtrade_sync", "0"]


@dataclass
class Context:
    """Lambda's context object, with some time to go."""

    deadline: float
    aws_request_id: str
    function_name: str = "sync-accounts"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:000000000000:function:sync-accounts"

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation is stopped."""
        return int((self.deadline - time.monotonic()) * 1000)


def main() -> None:
    """Measure each of the numbers of accounts that are given."""
    parser = argparse.ArgumentParser(prog="python -m quality.benchmarks.matchtrade_sync", description=__doc__)
    parser.add_argument("accounts", type=int, nargs="+")
    for count in parser.parse_args().accounts:
        show(json.dumps(measured(count)))


def measured(count: int, kills: tuple[float, ...] = KILLED_AFTER, *, again: bool = True) -> dict[str, Any]:
    """What the first sync of so many accounts costs that is killed after each of so many seconds, and one more."""
    with TemporaryDirectory() as folder:
        home = Home(Path(folder))
        with (
            hold(home) as lock,
            services.sandbox(home, lock=lock) as (url, _),
            services.emulator(home, choose_port(), lock=lock) as (aws, _),
        ):
            prepare(aws, home)
            Remote(url).add_accounts(count, start="2019-01-01T00:00:00Z", foreign=True)
            env = environment(aws, Path(folder))
            for seconds in kills:
                kill_one(env, seconds)
                end_lease(aws)
            found = {"accounts": count, "first": run(env), "kept": kept(aws)}
            if again:
                forget_history(aws)
                found["again"] = run(env)
            return found


def prepare(aws: Emulator, home: Home) -> None:
    """An empty table, and the secrets."""
    client(aws, "dynamodb").create_table(**table_definition(TABLE))
    secrets = {**json.loads((home.sandbox / "secrets.json").read_text()), "index": {"key": "a key"}}
    for name in ("matchtrade", "index"):
        text = json.dumps(secrets[name])
        client(aws, "secretsmanager").create_secret(Name=f"{PREFIX}/{name}", SecretString=text)


def environment(aws: Emulator, folder: Path) -> dict[str, str]:
    """What the function finds around it."""
    return {
        **os.environ,
        **CREDENTIALS,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": aws.url,
        "TABLE_NAME": TABLE,
        "SECRETS_PREFIX": PREFIX,
        "LEADBRIDGE_ENVIRONMENT": "prod",
        "LEADBRIDGE_FLOW": "sync_accounts",
        "LEADBRIDGE_BENCHMARK": str(folder),
        "POWERTOOLS_METRICS_DISABLED": "true",
        "POWERTOOLS_LOG_LEVEL": "ERROR",
    }


def kill_one(env: dict[str, str], seconds: float) -> None:
    """Begin a run and kill it in the middle."""
    with subprocess.Popen(WORKER, env=env, cwd=PROJECT, stdout=subprocess.DEVNULL) as worker:
        time.sleep(seconds)
        worker.send_signal(signal.SIGKILL)


def end_lease(aws: Emulator) -> None:
    """What five minutes do to the lease of a run that was killed."""
    change_state(aws, "REMOVE #name", "owner")


def forget_history(aws: Emulator) -> None:
    """What eight hours do to the whole history that was read."""
    change_state(aws, "REMOVE standing.#name", "full_scan_started_at")


def change_state(aws: Emulator, change: str, name: str) -> None:
    """Change the item that says where the sync stands."""
    client(aws, "dynamodb").update_item(
        TableName=TABLE,
        Key={"pk": {"S": "SYNC#matchtrade"}, "sk": {"S": "STATE"}},
        UpdateExpression=change,
        ExpressionAttributeNames={"#name": name},
    )


def run(env: dict[str, str]) -> dict[str, Any]:
    """A worker's answer, after what it counted: runs one after another until everything is read."""
    printed = subprocess.run(WORKER, env=env, cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    answer: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return answer


def kept(aws: Emulator) -> int:
    """How many accounts are in the table."""
    pages = (
        client(aws, "dynamodb")
        .get_paginator("scan")
        .paginate(
            TableName=TABLE,
            FilterExpression="sk = :kind",
            ExpressionAttributeValues={":kind": {"S": "ACCOUNT"}},
            Select="COUNT",
        )
    )
    return sum(page["Count"] for page in pages)


def client(aws: Emulator, service: str) -> Any:
    """A client of the emulated AWS."""
    session: Any = aws.session
    return session.client(service, endpoint_url=aws.url, config=CONFIG)


def work(folder: Path) -> dict[str, Any]:
    """Run the function until it says that everything is read."""
    ship(PROJECT / "config", folder / "config")
    settings._SHIPPED = folder / "config"
    spec = importlib.util.spec_from_file_location("app", PROJECT / "functions" / "sync_accounts" / "app.py")
    assert spec is not None
    assert spec.loader is not None
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    began, cpu = time.monotonic(), time.process_time()
    outcomes = list(outcomes_of(app))
    return {
        "runs": len(outcomes),
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(time.process_time() - cpu, 3),
        "peak_mib": round(peak_mib(), 1),
    }


def outcomes_of(app: Any) -> Iterator[str]:
    """What each run comes to, until one is whole."""
    for number in range(MOST_RUNS):
        outcome = app.handler({}, Context(time.monotonic() + SECONDS, f"{os.getpid()}-{number}"))["matchtrade"]
        yield outcome
        if outcome == "completed":
            return
        if outcome != "in_progress":
            raise SystemExit(outcome)
    raise SystemExit("it does not come to an end")


def show(line: str) -> None:
    """Print at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if "LEADBRIDGE_BENCHMARK" in os.environ:
        show(json.dumps(work(Path(os.environ["LEADBRIDGE_BENCHMARK"]))))
    else:
        main()
