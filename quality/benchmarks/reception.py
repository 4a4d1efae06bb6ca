"""How much longer than its one table write receive_lead takes to answer, warm, in one process, for every kind of form.

python -m quality.benchmarks.reception [--rounds 150]
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

from quality.benchmarks.measurement import Part, median_text, run_alone

ROUNDS, WARM_UP = 150, 10
SECRETS = {"web": "whsec_c2FtcGxlLXNlY3JldC1vZi10aGUtdGVzdHMhISEh"}
CASES = (
    *("good", "trading", "tilda_lead", "typeform_lead", "webflow_signed", "elementor_advanced", "jotform_lead"),
    *("google_lead", "tally_lead", "plain_urlencoded", "plain_multipart", "plain_json", "meta_lead"),
)


def one_post(app: ModuleType, event: dict[str, Any]) -> tuple[float, float, int]:
    """Seconds of one answer, seconds of its write, and the answer's status."""
    from leadbridge.storage.table import Table

    spent, transact = [0.0], Table.transact

    def timed(table: Table, *args: Any, **kwargs: Any) -> int | None:
        began = time.perf_counter()
        try:
            return transact(table, *args, **kwargs)
        finally:
            spent[0] += time.perf_counter() - began

    with patch.object(Table, "transact", timed):
        began = time.perf_counter()
        answer = app.handler(event, Context())
        return time.perf_counter() - began, spent[0], answer["statusCode"]


class Context:
    """Lambda's context object."""

    aws_request_id = "a-request"
    function_name = "receive-lead"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:receive-lead"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        """Milliseconds until Lambda stops the invocation."""
        return 10_000


@contextmanager
def loaded() -> Iterator[ModuleType]:
    """The function, with a table and secrets on an emulator of its own."""
    from devstack import services
    from devstack.workdir import PROJECT, Home, choose_port, hold
    from leadbridge import settings
    from leadbridge.runtime.environment import STARTING
    from quality.testkit.lambda_runtime.cloud import Cloud
    from tools.config import ship

    home = Home(PROJECT / ".local" / "bench")
    with (
        hold(home) as lock,
        services.emulator(home, choose_port(), lock=lock) as (aws, _),
        tempfile.TemporaryDirectory() as tmp,
    ):
        cloud = Cloud.made(aws)
        os.environ.update(cloud.environment("ReceiveLead"))
        os.environ[STARTING] = "on-demand"  # as in a function
        os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_XRAY_SDK_ENABLED": "false"}
        ship(PROJECT / "config", Path(tmp))
        settings._SHIPPED = Path(tmp)
        sources = settings.settings().sources
        for name, source in sources.items():  # the count of leads a minute is kept, and never used up
            sources[name] = source.model_copy(update={"per_minute": 60_000 if source.per_minute else 0})
        cloud.put_secret("sources", {name: {"secrets": [secret_of(name)]} for name in sources})
        cloud.put_secret("index", {"key": "a key of the benchmark alone"})
        path = PROJECT / "functions" / "receive_lead" / "app.py"
        spec = importlib.util.spec_from_file_location("receive_lead_measured", path)
        if spec is None or spec.loader is None:
            raise SystemExit(f"{path} cannot be loaded")
        app = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(app)
        yield app


def secret_of(source: str) -> str:
    """What proves a source here."""
    return SECRETS["web"] if source.startswith("web") and not source.startswith("webflow") else f"a-secret-of-{source}"


def fresh(case: str, number: int) -> dict[str, Any]:
    """A sample, proven, as a lead that has not come before."""
    import base64
    import json
    import re

    from events.sign import signed
    from quality.testkit.lambda_runtime.samples import sample

    text = json.dumps(sample("ReceiveLead", case), ensure_ascii=False)
    event = json.loads(text)
    tie = f"{number:06d}{os.getpid() % 10000:04d}"
    if "webhook-id" in event["headers"]:
        event["headers"]["webhook-id"] += tie
    body = base64.b64decode(event["body"]).decode("latin-1") if event["isBase64Encoded"] else event["body"]
    body = re.sub(r'("(?:event_id|responseId|token|id|lead_id|submissionID)"\s*:\s*")', rf"\g<1>{tie}", body)
    body = re.sub(r'("leadgen_id"\s*:\s*"?)', rf"\g<1>{tie}", body)
    body = re.sub(r"(tranid=|submissionID\"\r\n\r\n|your-city=|form_id=)", rf"\g<1>{tie}", body)
    body = re.sub(r"(@|%40)example\.com", rf"{tie}\g<1>example.com", body)
    event["body"] = base64.b64encode(body.encode("latin-1")).decode() if event["isBase64Encoded"] else body
    source = event["pathParameters"]["source"]
    return signed(event, secret_of(source), int(time.time()))


def measured(rounds: int) -> Iterator[Part]:
    """Every kind of form, in turns, so that whatever disturbs the machine disturbs all alike."""
    times: dict[str, list[tuple[float, float]]] = {case: [] for case in CASES}
    with loaded() as app, Path(os.devnull).open("w", encoding="utf-8") as logs, redirect_stdout(logs):
        app.logger.registered_handler.stream = logs  # and metrics are printed
        for number in range(rounds + WARM_UP):
            for case in CASES:
                total, write, status = one_post(app, fresh(case, number))
                if status != 202:
                    raise SystemExit(f"{case} was answered {status}")
                if number >= WARM_UP:
                    times[case].append((total, write))
    rows, ratios = [], {}
    for case, pairs in times.items():
        answers, writes = ([one * 1000 for one in values] for values in zip(*pairs, strict=True))
        ratios[case] = statistics.median(total / written for total, written in pairs)
        rows.append((case, median_text(answers, 2), median_text(writes, 2), f"{ratios[case]:.2f}"))
    title = f"receive_lead, warm, in one process: medians of {rounds} posts each"
    yield Part("reception", title, ("form", "answer, ms", "its write, ms", "ratio"), tuple(rows), ratios)


def main() -> int:
    """Measure and print."""
    return run_alone(measured, rounds=ROUNDS, described=__doc__)


if __name__ == "__main__":
    sys.exit(main())
