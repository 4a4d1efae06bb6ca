"""`python -m quality.benchmarks.flow`: the resources that one lead uses, from the form's post to the final status.

The functions run in one process on the emulated AWS, each called as the template connects them. Written to
quality/benchmarks/measurements.json, by function: invocations, CPU time on a whole core of this machine, calls to AWS
and to partners, bytes of log, DynamoDB's units, events. Waiting is not measured: an emulator's latency differs from
AWS's.
"""

from __future__ import annotations

import io
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient

from leadbridge.partners.http import Transport
from leadbridge.services.checks.batch import BATCH, CheckBatch
from quality.benchmarks.capacity import Item, Meter, stored_size
from quality.benchmarks.in_process import Context, Environment, environment, post, queue_event
from quality.testkit.template import resources
from quality.testkit.wiring import passes_stream_filter

FILE = Path(__file__).with_name("measurements.json")
ROUNDS, WARM_UP = 30, 5
COUNTED_TOGETHER = 6  # leads in a minute and in one of four shards of the stream, of a million leads a month
BATCHES = 5  # of status checks without a change
FIRST_STATUS = "В обробці"
STATUSES = ("Погоджено", "Видано")  # after the first one, which has no message; the last one closes the deal
TARGETS = {"SubmitLeadLeaderQueue": "SubmitLead", "MessageQueue": "SendMessage"}


@dataclass
class Usage:
    """The resources of one function's invocations for one lead."""

    invocations: int = 0
    cpu_ms: float = 0
    aws_calls: int = 0
    partner_calls: int = 0
    log_bytes: int = 0
    write_units: float = 0
    read_units: float = 0
    events: int = 0


@dataclass(frozen=True)
class LeadUsage:
    """One lead's usage by function, and the bytes that remain stored."""

    functions: dict[str, Usage]
    stored_bytes: int


@dataclass
class Flow:
    on: Environment
    usage: dict[str, Usage] = field(default_factory=dict)
    meter: Meter = field(default_factory=Meter)
    published: list[dict[str, Any]] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)  # the partner is called by several threads
    stages: list[list[dict[str, Any]]] = field(default_factory=list)  # records for the statistics, by drain

    def invoke(self, function: str, event: dict[str, Any]) -> Any:
        """Call a function and add its usage."""
        app, usage = self.on.app(function), self.usage.setdefault(function, Usage())
        written, read = self.meter.written, self.meter.read
        log = io.StringIO()
        app.logger.registered_handler.stream = log
        with self._counted(usage), redirect_stdout(log):
            began = time.process_time()
            answer = app.handler(event, Context())
            usage.cpu_ms += (time.process_time() - began) * 1000
        if '"exception"' in log.getvalue():
            raise SystemExit(log.getvalue())
        usage.invocations += 1
        usage.log_bytes += len(log.getvalue().encode())
        usage.write_units += self.meter.written - written
        usage.read_units += self.meter.read - read
        return answer

    def drain(self) -> None:
        """Publish all changes, and process all published events."""
        self.stages.append([])
        while self.meter.changes:
            changes = list(self.meter.changes)
            self.meter.changes.clear()
            records = [record for before, after in changes if (record := stream_record(before, after))]
            self.stages[-1] += [
                one for before, after in changes if (one := stream_record(before, after, "UpdateStats"))
            ]
            if records:
                self.invoke("PublishChanges", {"Records": records})
            while self.published:
                envelope = self.published.pop(0)
                for function in targets(envelope):
                    self.invoke(function, queue_event(envelope))

    @contextmanager
    def _counted(self, usage: Usage) -> Iterator[None]:
        of_aws, of_partner = BaseClient._make_api_call, Transport.call  # type: ignore[attr-defined]

        def call_aws(client: Any, operation: str, request: dict[str, Any]) -> Any:
            answer = of_aws(client, operation, request)
            usage.aws_calls += 1
            if operation == "PutEvents":
                usage.events += len(request["Entries"])
                self.published += [
                    {"source": one["Source"], "detail-type": one["DetailType"], "detail": json.loads(one["Detail"])}
                    for one in request["Entries"]
                ]
            elif client.meta.service_model.service_name == "dynamodb":
                self.meter.count(operation, request, answer)
            return answer

        def call_partner(transport: Any, *args: Any, **kwargs: Any) -> Any:
            with self.lock:
                usage.partner_calls += 1
            return of_partner(transport, *args, **kwargs)

        with patch.object(BaseClient, "_make_api_call", call_aws), patch.object(Transport, "call", call_partner):
            yield


def stream_record(before: Item | None, after: Item, function: str = "PublishChanges") -> dict[str, Any] | None:
    """The stream's record of a change; None if the template's filter excludes it."""
    images = {"NewImage": after} | ({"OldImage": before} if before else {})
    keys = {"pk": after["pk"], "sk": after["sk"]}
    event = "MODIFY" if before else "INSERT"
    record = {"eventName": event, "dynamodb": {"SequenceNumber": "1", "Keys": keys, **images}}
    return record if passes_stream_filter(record, function) else None


def targets(envelope: dict[str, Any]) -> list[str]:
    """The functions to which the template's rules route an event."""
    found = []
    for rule in resources("AWS::Events::Rule").values():
        pattern = rule["Properties"]["EventPattern"]
        details = all(envelope["detail"].get(name) in allowed for name, allowed in pattern["detail"].items())
        if details and envelope["detail-type"] in pattern["detail-type"]:
            found += [TARGETS[target["Id"]] for target in rule["Properties"]["Targets"]]
    return found


def measure(flow: Flow, number: int) -> LeadUsage:
    """Process one lead to its end, with one check without a change."""
    flow.usage = {}
    unique = (os.getpid() % 10_000) * 1000 + number
    flow.on.partners.add_person("Олена", phone=f"38050{unique:07d}", accounts=["TELEGRAM"])
    answer = flow.invoke("ReceiveLead", post(unique))
    if answer["statusCode"] != 202:
        raise SystemExit(f"the post was answered {answer}")
    lead_id = json.loads(answer["body"])["lead_id"]
    flow.drain()
    check = queue_event(CheckBatch("leadleader", (lead_id,)).body())
    deal_id = int(flow.meter.items[f"LEAD#{lead_id}", "DELIVERY#leadleader"]["deal_id"]["N"])
    for status in (FIRST_STATUS, *STATUSES):
        flow.on.partners.pin(deal_id, status)
        flow.invoke("CheckStatus", check)
        flow.drain()
    delivery = flow.meter.items[f"LEAD#{lead_id}", "DELIVERY#leadleader"]
    if delivery["state"]["S"] != "closed" or flow.usage["SendMessage"].invocations != len(STATUSES):
        raise SystemExit(f"the lead did not reach its end: {delivery}, {flow.usage}")
    stored = [item for (pk, _), item in flow.meter.items.items() if pk == f"LEAD#{lead_id}"]
    return LeadUsage(flow.usage, sum(stored_size(item) for item in stored))


def statistics_usage(flow: Flow, leads: list[list[list[dict[str, Any]]]]) -> Iterator[Usage]:
    """Yield a lead's share of counting it, with as many leads in a batch as a million a month bring.

    `leads` are the records of each lead, by stage: a batch has the same stage of its leads.
    """
    for number in range(0, len(leads) - COUNTED_TOGETHER + 1, COUNTED_TOGETHER):
        flow.usage = {}
        for stage in zip(*leads[number : number + COUNTED_TOGETHER], strict=True):
            if records := [record for of_lead in stage for record in of_lead]:
                flow.invoke("UpdateStats", {"Records": records})
        yield Usage(**{name: value / COUNTED_TOGETHER for name, value in vars(flow.usage["UpdateStats"]).items()})


def unchanged_batches(flow: Flow) -> list[dict[str, Usage]]:
    """Return the usage of batches of status checks that find nothing, and of all that follows from them."""
    lead_ids = []
    for number in range(BATCH):
        unique = (os.getpid() % 10_000) * 1000 + 500 + number
        lead_ids.append(json.loads(flow.invoke("ReceiveLead", post(unique))["body"])["lead_id"])
        flow.drain()
        deal_id = int(flow.meter.items[f"LEAD#{lead_ids[-1]}", "DELIVERY#leadleader"]["deal_id"]["N"])
        flow.on.partners.pin(deal_id, FIRST_STATUS)
    check = queue_event(CheckBatch("leadleader", tuple(lead_ids)).body())
    flow.invoke("CheckStatus", check)
    flow.drain()
    found = []
    for _ in range(BATCHES):
        flow.usage = {}
        flow.invoke("CheckStatus", check)
        flow.drain()
        found.append(flow.usage)
    return found


def medians(rounds: list[dict[str, Usage]]) -> dict[str, dict[str, float]]:
    """The median of each figure by function."""
    return {
        function: {
            name: round(statistics.median(vars(usage[function])[name] for usage in rounds), 2)
            for name in vars(rounds[0][function])
        }
        for function in rounds[0]
    }


def main() -> int:
    with environment() as on:
        flow = Flow(on)
        leads, records = [], []
        for number in range(WARM_UP + ROUNDS):
            flow.stages = []
            leads.append(measure(flow, number))
            records.append(flow.stages)
        leads = leads[WARM_UP:]
        counted = medians([{"UpdateStats": one} for one in statistics_usage(flow, records)])
        batches = unchanged_batches(flow)
    measured = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, Python {platform.python_version()}, one core of {os.cpu_count()}, shared",
        "leads": ROUNDS,
        "kept_bytes": statistics.median(one.stored_bytes for one in leads),
        "functions": medians([one.functions for one in leads]) | counted,
        "batch": BATCH,
        "unchanged_batch": medians(batches),
    }
    FILE.write_text(json.dumps(measured, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(FILE.read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
