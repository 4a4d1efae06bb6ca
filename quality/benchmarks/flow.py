"""`python -m quality.benchmarks.flow`: the resources that one lead uses, from the form's post to the final status.

The functions run in one process on the emulated AWS, each called as the template connects them. Stored in
measurements.json. Waiting is not measured: an emulator's latency differs from AWS's.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from threading import Lock
from time import process_time
from typing import Any

from leadbridge.services.checks.batch import BATCH, CheckBatch
from quality.benchmarks.report import machine
from quality.benchmarks.shipped import LENDER, store
from quality.benchmarks.stack import Environment, accepted, context, environment, observed, post, queue_event
from quality.testkit.aws.capacity import Meter, stored_size
from quality.testkit.aws.memory_dynamodb import stream_record
from quality.testkit.lambda_runtime.cloud import Event
from quality.testkit.template import resources
from quality.testkit.wiring import matches, passes_stream_filter, workers

ROUNDS, WARM_UP = 30, 5
COUNTED_TOGETHER = 6  # leads in a minute and in one of four shards of the stream, of a million leads a month
BATCHES = 5  # of status checks without a change
STATUSES = ("В обробці", "Погоджено", "Видано")  # the first one has no message; the last one closes the deal
# What is counted of a function's invocations for one lead.
FIGURES = ("invocations", "cpu_ms", "aws_calls", "partner_calls", "log_bytes", "write_units", "read_units", "events")

type Usage = dict[str, dict[str, float]]  # by function
type Records = list[Event]  # of the table's stream


@dataclass
class Flow:
    on: Environment
    usage: Usage = field(default_factory=dict)
    meter: Meter = field(default_factory=Meter)
    published: list[Event] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)  # the partner is called by several threads
    stages: list[Records] = field(default_factory=list)  # records for the statistics, by drain

    def invoke(self, function: str, event: Event) -> Any:
        app, usage = self.on.app(function), self.usage.setdefault(function, dict.fromkeys(FIGURES, 0.0))
        log = io.StringIO()
        app.logger.registered_handler.stream = log

        def of_aws(service: str, operation: str, request: Event, answer: Event) -> None:
            usage["aws_calls"] += 1
            if operation == "PutEvents":
                usage["events"] += len(request["Entries"])
                self.published += [
                    {"source": one["Source"], "detail-type": one["DetailType"], "detail": json.loads(one["Detail"])}
                    for one in request["Entries"]
                ]
            elif service == "dynamodb":
                written, read = self.meter.written, self.meter.read
                self.meter.count(operation, request, answer)
                usage["write_units"] += self.meter.written - written
                usage["read_units"] += self.meter.read - read

        def of_partner(_operation: str) -> None:
            with self.lock:
                usage["partner_calls"] += 1

        with observed(of_aws, of_partner), redirect_stdout(log):
            began = process_time()
            answer = app.handler(event, context())
            usage["cpu_ms"] += (process_time() - began) * 1000
        if '"exception"' in log.getvalue():
            raise SystemExit(log.getvalue())
        usage["invocations"] += 1
        usage["log_bytes"] += len(log.getvalue().encode())
        return answer

    def receive(self, number: int) -> tuple[str, int]:
        """Receive and submit a new lead. Returns its id and its deal's. `number` has at most three digits."""
        unique = (os.getpid() % 10_000) * 1000 + number
        self.on.partners.post(
            "leeloo/people", {"name": "Олена", "phone": f"38050{unique:07d}", "accounts": ["TELEGRAM"]}
        )
        lead_id = accepted(self.invoke("ReceiveLead", post(unique)))
        self.drain()
        return lead_id, int(self.meter.items[f"LEAD#{lead_id}", f"DELIVERY#{LENDER}"]["deal_id"]["N"])

    def check(self, *lead_ids: str) -> None:
        self.invoke("CheckStatus", queue_event(CheckBatch(LENDER, lead_ids).body()))
        self.drain()

    def drain(self) -> None:
        """Publish all changes, and process all published events. The statistics' records are kept."""
        self.stages.append([])
        while self.meter.changes:
            records = [stream_record(1, *change) for change in self.meter.changes]
            self.meter.changes.clear()
            self.stages[-1] += [one for one in records if passes_stream_filter(one, "UpdateStats")]
            if records := [one for one in records if passes_stream_filter(one, "PublishChanges")]:
                self.invoke("PublishChanges", {"Records": records})
            while self.published:
                envelope = self.published.pop(0)
                for function in targets(envelope):
                    self.invoke(function, queue_event(envelope))


def targets(envelope: Event) -> list[str]:
    """The functions to which the template's rules route an event, through their queues."""
    rules = [rule["Properties"] for rule in resources("AWS::Events::Rule").values()]
    found = [target["Id"] for rule in rules if matches(rule["EventPattern"], envelope) for target in rule["Targets"]]
    return [function for queue, function in workers() if queue in found]


def one_lead(flow: Flow, number: int) -> tuple[Usage, int, list[Records]]:
    """Process one lead to its end. Returns its usage, the bytes that it leaves, its records for the statistics."""
    flow.usage, flow.stages = {}, []
    lead_id, deal_id = flow.receive(number)
    for status in STATUSES:
        flow.on.partners.post(f"leadleader/deals/{deal_id}", {"status": status})
        flow.check(lead_id)
    delivery = flow.meter.items[f"LEAD#{lead_id}", f"DELIVERY#{LENDER}"]
    if delivery["state"]["S"] != "closed" or flow.usage["SendMessage"]["invocations"] != len(STATUSES) - 1:
        raise SystemExit(f"the lead did not reach its end: {delivery}, {flow.usage}")
    kept = sum(stored_size(one) for (pk, _), one in flow.meter.items.items() if pk == f"LEAD#{lead_id}")
    return flow.usage, kept, flow.stages


def statistics_usage(flow: Flow, leads: Sequence[list[Records]]) -> Iterator[Usage]:
    """Yield a lead's share of counting it, by the records of leads: a batch has the same stage of some leads."""
    for number in range(0, len(leads) - COUNTED_TOGETHER + 1, COUNTED_TOGETHER):
        flow.usage = {}
        for stage in zip(*leads[number : number + COUNTED_TOGETHER], strict=True):
            if records := [record for of_lead in stage for record in of_lead]:
                flow.invoke("UpdateStats", {"Records": records})
        counted = flow.usage["UpdateStats"]
        yield {"UpdateStats": {name: value / COUNTED_TOGETHER for name, value in counted.items()}}


def unchanged_batches(flow: Flow) -> Iterator[Usage]:
    """Yield the usage of batches of status checks that find nothing, and of all that follows from them."""
    received = [flow.receive(500 + number) for number in range(BATCH)]
    for _, deal_id in received:
        flow.on.partners.post(f"leadleader/deals/{deal_id}", {"status": STATUSES[0]})
    lead_ids = [lead_id for lead_id, _ in received]
    flow.check(*lead_ids)
    for _ in range(BATCHES):
        flow.usage = {}
        flow.check(*lead_ids)
        yield flow.usage


def medians(rounds: Sequence[Usage]) -> dict[str, dict[str, float]]:
    return {
        function: {name: round(median(usage[function][name] for usage in rounds), 2) for name in FIGURES}
        for function in rounds[0]
    }


def main() -> None:
    with environment() as on:
        flow = Flow(on)
        leads = [one_lead(flow, number) for number in range(WARM_UP + ROUNDS)][WARM_UP:]
        counted = medians(list(statistics_usage(flow, [stages for *_, stages in leads])))
        batches = list(unchanged_batches(flow))
    measured = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "leads": ROUNDS,
        "kept_bytes": median(kept for _, kept, _ in leads),
        "functions": medians([usage for usage, *_ in leads]) | counted,
        "batch": BATCH,
        "unchanged_batch": medians(batches),
    }
    print(store("measurements.json", measured))


if __name__ == "__main__":
    main()
