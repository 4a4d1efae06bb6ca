"""`python -m quality.benchmarks.flow`: what one lead takes on its way, from the form's post to the partner's final
status.

The functions as they are, in one process, on the emulated AWS and the partners' stand-in, each called by what the
template lets call it. Written to quality/benchmarks/measurements.json, by function: invocations, CPU time on this
machine's whole core, calls of AWS and of partners, bytes of log, DynamoDB's units, events. What waits for others is
not timed here: an emulator's answers say nothing of AWS's.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, cast
from unittest.mock import patch

from botocore.client import BaseClient

from devstack import services
from devstack.sandbox.remote import Remote
from devstack.workdir import PROJECT, Home, choose_port, hold
from leadbridge import settings
from leadbridge.partners.http import Transport
from quality.benchmarks.capacity import Item, Meter, kept_size
from quality.benchmarks.reception import Context
from quality.testkit.lambda_runtime.cloud import Cloud
from quality.testkit.template import resources
from tools.config import ship

FILE = Path(__file__).with_name("measurements.json")
ROUNDS, WARM_UP = 30, 5
STATUSES = ("Погоджено", "Видано")  # after the first, which is told to nobody; the last one closes the deal
SECRET = "whsec_c2FtcGxlLXNlY3JldC1vZi10aGUtdGVzdHMhISEh"
TARGETS = {"SubmitLeadLeaderQueue": "SubmitLead", "MessageQueue": "SendMessage"}


class LongContext(Context):
    """Lambda's context object where an invocation may take minutes."""

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        """Milliseconds until Lambda stops the invocation."""
        return 180_000


@dataclass
class Taken:
    """What the invocations of one function took for one lead."""

    invocations: int = 0
    cpu_ms: float = 0
    aws_calls: int = 0
    partner_calls: int = 0
    log_bytes: int = 0
    write_units: float = 0
    read_units: float = 0
    events: int = 0


@dataclass(frozen=True)
class Journey:
    """What one lead took, by function; what a check in vain takes; and the bytes that stay of the lead."""

    taken: dict[str, Taken]
    unchanged_check: dict[str, Taken]
    kept_bytes: int


@dataclass
class World:
    """The functions and what is around them."""

    cloud: Cloud
    partner: Remote
    apps: dict[str, ModuleType] = field(default_factory=dict)
    taken: dict[str, Taken] = field(default_factory=dict)
    meter: Meter = field(default_factory=Meter)
    published: list[dict[str, Any]] = field(default_factory=list)

    def invoke(self, function: str, event: dict[str, Any]) -> Any:
        """Call a function, and note under its name what it took."""
        os.environ.update(self.cloud.environment(function))
        if function not in self.apps:
            self.apps[function] = loaded(function)
        app, taken = self.apps[function], self.taken.setdefault(function, Taken())
        written, read = self.meter.written, self.meter.read
        log = io.StringIO()
        cast("Any", app.logger).registered_handler.stream = log
        with self._watched(taken), redirect_stdout(log):
            began = time.process_time()
            answer = app.handler(event, LongContext())
            taken.cpu_ms += (time.process_time() - began) * 1000
        if '"exception"' in log.getvalue():
            raise SystemExit(log.getvalue())
        taken.invocations += 1
        taken.log_bytes += len(log.getvalue().encode())
        taken.write_units += self.meter.written - written
        taken.read_units += self.meter.read - read
        return answer

    def drain(self) -> None:
        """Let what was written be announced, and what was announced be done, until nothing moves."""
        while self.meter.changes:
            records = [record for before, after in self.meter.changes if (record := stream_record(before, after))]
            self.meter.changes.clear()
            if records:
                self.invoke("PublishChanges", {"Records": records})
            while self.published:
                envelope = self.published.pop(0)
                for function in reached(envelope):
                    self.invoke(function, queue_event(envelope))

    @contextmanager
    def _watched(self, taken: Taken) -> Iterator[None]:
        of_aws, of_partner = BaseClient._make_api_call, Transport.call  # type: ignore[attr-defined]

        def call_aws(client: Any, operation: str, asked: dict[str, Any]) -> Any:
            answer = of_aws(client, operation, asked)
            taken.aws_calls += 1
            if operation == "PutEvents":
                taken.events += len(asked["Entries"])
                self.published += [
                    {"source": one["Source"], "detail-type": one["DetailType"], "detail": json.loads(one["Detail"])}
                    for one in asked["Entries"]
                ]
            elif client.meta.service_model.service_name == "dynamodb":
                self.meter.note(operation, asked, answer)
            return answer

        def call_partner(transport: Any, *args: Any, **kwargs: Any) -> Any:
            taken.partner_calls += 1
            return of_partner(transport, *args, **kwargs)

        with patch.object(BaseClient, "_make_api_call", call_aws), patch.object(Transport, "call", call_partner):
            yield


def loaded(function: str) -> ModuleType:
    """A function's module, by its logical id."""
    folder = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in function).lstrip("_")
    path = PROJECT / "functions" / folder / "app.py"
    spec = importlib.util.spec_from_file_location(f"{folder}_measured", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} cannot be loaded")
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    return app


def stream_record(before: Item | None, after: Item) -> dict[str, Any] | None:
    """The stream's record of a change, None where the template's filter leaves it out."""
    [function] = [resources("AWS::Serverless::Function")["PublishChanges"]["Properties"]["Events"]["Stream"]]
    pattern = json.loads(function["Properties"]["FilterCriteria"]["Filters"][0]["Pattern"])
    prefixes = tuple(one["prefix"] for one in pattern["dynamodb"]["Keys"]["sk"]["S"])
    if not after["sk"]["S"].startswith(prefixes):
        return None
    images = {"NewImage": after} | ({"OldImage": before} if before else {})
    keys = {"pk": after["pk"], "sk": after["sk"]}
    return {
        "eventName": "MODIFY" if before else "INSERT",
        "dynamodb": {"SequenceNumber": "1", "Keys": keys, **images},
    }


def reached(envelope: dict[str, Any]) -> list[str]:
    """The functions that the template's rules bring an event to."""
    found = []
    for rule in resources("AWS::Events::Rule").values():
        pattern = rule["Properties"]["EventPattern"]
        details = all(envelope["detail"].get(name) in allowed for name, allowed in pattern["detail"].items())
        if details and envelope["detail-type"] in pattern["detail-type"]:
            found += [TARGETS[target["Id"]] for target in rule["Properties"]["Targets"]]
    return found


def queue_event(body: Any) -> dict[str, Any]:
    """What SQS hands to a function."""
    return {"Records": [{"messageId": "1", "receiptHandle": "1", "body": json.dumps(body, ensure_ascii=False)}]}


def post(number: int) -> tuple[dict[str, Any], str]:
    """A form's post of somebody who has not come before, and their phone."""
    from events.sign import signed
    from quality.testkit.lambda_runtime.samples import sample

    event, tie = sample("ReceiveLead", "good"), f"{os.getpid() % 10_000:04d}{number:03d}"
    body = json.loads(event["body"])
    body["person"] |= {"phone": f"+38050{tie}", "tax_number": f"306{tie}", "email": f"o{tie}@example.com"}
    event["body"] = json.dumps(body, ensure_ascii=False)
    event["headers"]["webhook-id"] += tie
    return signed(event, SECRET, int(time.time())), f"38050{tie}"


def journey(world: World, number: int) -> Journey:
    """One lead's way to its end, with one check that finds nothing new."""
    world.taken = {}
    event, phone = post(number)
    world.partner.add_person("Олена", phone=phone, accounts=["TELEGRAM"])
    answer = world.invoke("ReceiveLead", event)
    if answer["statusCode"] != 202:
        raise SystemExit(f"the post was answered {answer}")
    lead_id = json.loads(answer["body"])["lead_id"]
    world.drain()
    check = queue_event({"lead_id": lead_id, "partner": "leadleader", "at_once": True})
    deal_id = int(world.meter.items[f"LEAD#{lead_id}", "DELIVERY#leadleader"]["deal_id"]["N"])
    for status in ("В обробці", *STATUSES):
        world.partner.pin(deal_id, status)
        world.invoke("CheckStatus", check)
        world.drain()
        if status == "В обробці":
            unchanged = checked_in_vain(world, check)
    delivery = world.meter.items[f"LEAD#{lead_id}", "DELIVERY#leadleader"]
    if delivery["state"]["S"] != "closed" or world.taken["SendMessage"].invocations != len(STATUSES):
        raise SystemExit(f"the lead did not come to its end: {delivery}, {world.taken}")
    kept = [item for (pk, _), item in world.meter.items.items() if pk == f"LEAD#{lead_id}"]
    return Journey(world.taken, unchanged, sum(kept_size(item) for item in kept))


def checked_in_vain(world: World, check: dict[str, Any]) -> dict[str, Taken]:
    """What one check takes that finds nothing new."""
    before, world.taken = world.taken, {}
    world.invoke("CheckStatus", check)
    world.drain()
    unchanged, world.taken = world.taken, before
    return unchanged


@contextmanager
def around() -> Iterator[World]:
    """An empty AWS, the partners, and the configuration of a developer's machine."""
    home = Home(PROJECT / ".local" / "bench")
    home.logs.mkdir(parents=True, exist_ok=True)
    with (
        hold(home) as lock,
        services.emulator(home, choose_port(), lock=lock) as (aws, _),
        services.sandbox(home, lock=lock) as (url, _),
        tempfile.TemporaryDirectory() as shipped,
    ):
        cloud = Cloud.made(aws)
        ship(PROJECT / "config", Path(shipped))
        settings._SHIPPED = Path(shipped)
        for name, value in json.loads((home.sandbox / "secrets.json").read_text()).items():
            cloud.put_secret(name, value)
        cloud.put_secret("sources", {"web": {"secrets": [SECRET]}})
        cloud.put_secret("index", {"key": "a key of the benchmark alone"})
        os.environ |= {"AWS_XRAY_SDK_ENABLED": "false"}
        remote = Remote(url)
        remote.set_pace(3600)
        yield World(cloud, remote)


def medians(rounds: list[dict[str, Taken]]) -> dict[str, dict[str, float]]:
    """The median lead's share of each function."""
    return {
        function: {
            name: round(statistics.median(vars(taken[function])[name] for taken in rounds), 2)
            for name in vars(rounds[0][function])
        }
        for function in rounds[0]
    }


def main() -> int:
    """Measure and write down."""
    with around() as world:
        journeys = [journey(world, number) for number in range(WARM_UP + ROUNDS)][WARM_UP:]
    measured = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, Python {platform.python_version()}, one core of {os.cpu_count()}, shared",
        "leads": ROUNDS,
        "kept_bytes": statistics.median(one.kept_bytes for one in journeys),
        "functions": medians([one.taken for one in journeys]),
        "unchanged_check": medians([one.unchanged_check for one in journeys]),
    }
    FILE.write_text(json.dumps(measured, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(FILE.read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
