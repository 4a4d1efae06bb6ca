"""The time of each function's cold start until its first answer, and its memory.

In every round each function and each reference starts once in a new process under Lambda's runtime client, with its
layers only, so that a disturbance of the machine affects all. docs/benchmarks.md explains the columns.
"""

from __future__ import annotations

import compileall
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distribution
from itertools import batched
from pathlib import Path
from py_compile import PycInvalidationMode
from shutil import copyfile

from urllib3.exceptions import HTTPError

from devstack.workdir import LocalError
from quality.benchmarks.measurement import Measurement, median_text
from quality.benchmarks.processes import cpu_milliseconds, peak_mib, runtimes
from quality.benchmarks.shipped import memory
from quality.benchmarks.stack import RuntimeStack, runtime_stack
from quality.testkit.lambda_runtime.runtime import cold_starts, running
from quality.testkit.lambda_runtime.samples import cases, sample
from quality.testkit.lambda_runtime.scenarios import SCENARIOS

BARE, BOTO3 = "a bare handler", "a boto3 client of DynamoDB"
# The code of each reference, and its libraries; simplejson is in Lambda's own image.
REFERENCES = {
    BARE: ("def handler(event, context):\n    return {}\n", ("simplejson",)),
    BOTO3: (
        'import boto3\n\nclient = boto3.client("dynamodb")\n\n\ndef handler(event, context):\n    return {}\n',
        ("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "urllib3", "six", "simplejson"),
    ),
}
TIMESTAMPS = "handler_timestamps"
WHOLE_CORE = 1769  # MB of memory with a whole core
MAX_TRIES = 3  # another process may take the runtime interface emulator's port before it listens


@dataclass(frozen=True)
class Start:
    """One start. `before`: milliseconds until the handler is called; `handling`: those in the handler."""

    milliseconds: float
    before: float
    handling: float
    handling_cpu: float
    cpu: float
    first_mib: float
    most_mib: float

    def on_lambda(self, megabytes: int) -> float:
        """Milliseconds with the handler's CPU time at this memory."""
        waiting = max(0.0, self.handling - self.handling_cpu)
        return self.before + waiting + self.handling_cpu * max(1.0, WHOLE_CORE / megabytes)


def measure(rounds: int) -> Iterator[Measurement]:
    with runtime_stack() as stack:
        copyfile(Path(__file__).with_name(f"{TIMESTAMPS}.py"), stack.workshop.client / f"{TIMESTAMPS}.py")
        found = starts(stack, rounds)
    yield cold(found, rounds)
    yield memories(found)


def starts(stack: RuntimeStack, rounds: int) -> dict[str, list[Start]]:
    """Start everything in turns. The first round warms the disk's cache and is not counted."""
    paths = {name: reference(stack, name) for name in REFERENCES}
    found: dict[str, list[Start]] = {name: [] for name in (*REFERENCES, *SCENARIOS)}
    # The main reference starts between groups of functions.
    turns = [BARE, *(name for some in batched(SCENARIOS, 5, strict=False) for name in (BOTO3, *some))]
    for number in range(rounds + 1):
        for name in turns:
            for remaining in reversed(range(MAX_TRIES)):
                try:
                    one = start(stack, name, paths.get(name), samples=number == rounds)
                except (LocalError, HTTPError):
                    if not remaining:
                        raise
                else:
                    break
            if number:
                found[name].append(one)
    return found


def start(stack: RuntimeStack, name: str, path: list[Path] | None, *, samples: bool) -> Start:
    """Start one function or reference until its first answer; with `samples` also process all its samples."""
    servers, workshop = stack.servers, stack.workshop
    servers.partners.reset()
    scenario = None if path else SCENARIOS[name]
    backend = servers.backend(scenario.configuration if scenario else "prod")
    event = scenario.prepare(backend) if scenario else {}
    with running(
        name,
        path=path or workshop.path(name),
        handler=f"{TIMESTAMPS}.handler",
        environment=backend.cloud.environment(name if scenario else "ReceiveLead"),
        log=stack.folder / f"{name}.log",
        lock=workshop.lock,
    ) as function:
        began = time.monotonic()
        answer = function.invoke(event)
        if scenario and not scenario.is_expected(answer):
            raise SystemExit(f"{name} answered {answer}\n" + "\n".join(function.log_lines()[-5:]))
        written = (workshop.client / f"{TIMESTAMPS}.txt").read_text(encoding="ascii")
        called, done, cpu_before, cpu_after = (float(text) * 1000 for text in written.split())
        (runtime,) = runtimes(function.child.guard.pid)
        cpu, first_mib = cpu_milliseconds(runtime), peak_mib(runtime)
        for case in [case for of, case in cases() if of == name] * 2 if samples else []:
            function.invoke(sample(name, case))
        times = (cold_starts[-1][1], called - began * 1000, done - called, cpu_after - cpu_before, cpu)
        return Start(*times, first_mib, peak_mib(runtime))


def reference(stack: RuntimeStack, name: str) -> list[Path]:
    """The import path of a reference: its handler, its libraries, the runtime client."""
    code, libraries = REFERENCES[name]
    folder = stack.folder / name.replace(" ", "-")
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "app.py").write_text(code, encoding="utf-8")
    for library in libraries:
        for file in distribution(library).files or ():
            if "__pycache__" not in file.parts and ".." not in file.parts:
                target = folder / "libraries" / file
                target.parent.mkdir(parents=True, exist_ok=True)
                copyfile(str(file.locate()), target)
    compileall.compile_dir(str(folder), quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    return [folder / "code", folder / "libraries", stack.workshop.client]


def cold(found: Mapping[str, Sequence[Start]], rounds: int) -> Measurement:
    totals = {name: [one.milliseconds for one in starts] for name, starts in found.items()}
    ratios = {name: ratio(taken, totals[BOTO3], rounds) for name, taken in totals.items()}
    cpu = {name: statistics.median(one.cpu for one in starts) for name, starts in found.items()}
    rows = [
        (
            name,
            median_text(totals[name], 0),
            f"{ratios[name]:.2f}",
            f"{cpu[name]:.0f}",
            f"{cpu[name] / cpu[BOTO3]:.2f}",
            median_text([one.before for one in starts], 0),
            median_text([one.handling_cpu for one in starts], 1),
            median_text([one.on_lambda(memory(name if name in SCENARIOS else "ReceiveLead")) for one in starts], 0),
        )
        for name, starts in found.items()
    ]
    columns = (
        *("", "first answer, ms", "× boto3", "CPU, ms", "× boto3's CPU"),
        *("init, ms", "handler's CPU, ms", "on Lambda, ms"),
    )
    title = f"Medians of {rounds} starts each, in turns; × boto3: the median of the rounds' own ratios"
    return Measurement("cold", title, columns, tuple(rows), {name: ratios[name] for name in SCENARIOS})


def ratio(taken: Sequence[float], reference: Sequence[float], rounds: int) -> float:
    """The median of the ratios to the reference's starts in the same round."""
    mine, its = (
        [statistics.median(some) for some in batched(each, len(each) // rounds, strict=True)]
        for each in (taken, reference)
    )
    return statistics.median(one / other for one, other in zip(mine, its, strict=True))


def memories(found: Mapping[str, Sequence[Start]]) -> Measurement:
    rows = []
    ratios: dict[str, float] = {}
    for name in SCENARIOS:
        most, given = max(one.most_mib for one in found[name]), memory(name)
        ratios[name] = most / given
        first = median_text([one.first_mib for one in found[name]], 0)
        rows.append((name, first, f"{most:,.0f}", str(given), f"{ratios[name]:.2f}"))
    columns = ("peak resident memory", "first answer, MiB", "all samples, MiB", "MemorySize, MB", "share")
    return Measurement("memory", "Peak of the function's own process", columns, tuple(rows), ratios)
