"""The time of each function's cold start until its first answer, and its memory. docs/benchmarks.md explains both.

In every round each function and each reference starts once in a new process under Lambda's runtime client, with its
layers only, so that a disturbance of the machine affects all.
"""

from __future__ import annotations

import compileall
import time
from collections.abc import Mapping, Sequence
from itertools import batched
from pathlib import Path
from py_compile import PycInvalidationMode
from shutil import copyfile
from statistics import median
from tempfile import TemporaryDirectory

from urllib3.exceptions import HTTPError

from devstack.workdir import LocalError
from quality.benchmarks.report import Measurement, median_text
from quality.benchmarks.shipped import WHOLE_CORE, memory
from quality.benchmarks.stack import HOME, Servers, runtime_stack
from quality.testkit.lambda_runtime.runtime import cold_starts, copy_distributions, running
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
MAX_TRIES = 3  # another process may take the runtime interface emulator's port before it listens


type Start = dict[str, float]  # milliseconds and MiB of one start


def cold(rounds: int) -> list[Measurement]:
    """The first round warms the disk's cache and is not counted."""
    found: dict[str, list[Start]] = {name: [] for name in (*REFERENCES, *SCENARIOS)}
    # The main reference starts between groups of functions.
    turns = [BARE, *(name for some in batched(SCENARIOS, 5, strict=False) for name in (BOTO3, *some))]
    with runtime_stack() as (servers, workshop), TemporaryDirectory() as folder:
        copyfile(Path(__file__).with_name(f"{TIMESTAMPS}.py"), workshop.client / f"{TIMESTAMPS}.py")
        paths = {name: [*reference(name, Path(folder) / name), workshop.client] for name in REFERENCES}
        paths |= {name: workshop.path(name) for name in SCENARIOS}
        for number in range(rounds + 1):
            for name in turns:
                for remaining in reversed(range(MAX_TRIES)):
                    try:
                        one = start(servers, name, paths[name], samples=number == rounds)
                    except (LocalError, HTTPError):
                        if not remaining:
                            raise
                    else:
                        break
                if number:
                    found[name].append(one)
    return [times(found, rounds), memories(found)]


def start(servers: Servers, name: str, path: list[Path], *, samples: bool) -> Start:
    """Start one function or reference until its first answer; with `samples` also process all its samples."""
    servers.partners.reset()
    scenario = SCENARIOS.get(name)
    backend = servers.backend(scenario.configuration if scenario else "prod")
    event = scenario.prepare(backend) if scenario else {}
    variables, log = backend.cloud.environment(name if scenario else "ReceiveLead"), HOME.log(name)
    handler = f"{TIMESTAMPS}.handler"
    with running(name, path=path, handler=handler, environment=variables, log=log, lock=servers.lock) as function:
        began = time.monotonic()
        last = first = function.invoke(event)
        if scenario and not scenario.is_expected(first["answer"]):
            raise SystemExit(f"{name} answered {first}\n" + "\n".join(function.log_lines()[-5:]))
        for case in [case for of, case in cases() if of == name] * 2 if samples else []:
            last = function.invoke(sample(name, case))
    (called, cpu_before), (done, cpu_after) = first["before"], first["after"]
    own, waiting = cpu_after - cpu_before, max(0.0, done - called - (cpu_after - cpu_before))
    share = max(1.0, WHOLE_CORE / int(variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]))
    seconds = {"init": called - began, "own": own, "cpu": cpu_after}
    seconds["on_lambda"] = called - began + waiting + own * share
    peaks = {"first_mib": first["peak_kib"] / 1024, "most_mib": last["peak_kib"] / 1024}
    return {"total": cold_starts[-1][1], **{name: 1000 * one for name, one in seconds.items()}, **peaks}


def reference(name: str, folder: Path) -> list[Path]:
    code, libraries = REFERENCES[name]
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "app.py").write_text(code, encoding="utf-8")
    copy_distributions(folder / "libraries", libraries)
    compileall.compile_dir(str(folder), quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    return [folder / "code", folder / "libraries"]


def times(found: Mapping[str, Sequence[Start]], rounds: int) -> Measurement:
    totals = {name: [one["total"] for one in starts] for name, starts in found.items()}
    ratios = {name: ratio(taken, totals[BOTO3], rounds) for name, taken in totals.items()}
    cpu = {name: median(one["cpu"] for one in starts) for name, starts in found.items()}
    rows = [
        {
            "": name,
            "first answer, ms": median_text(totals[name], 0),
            "× boto3": f"{ratios[name]:.2f}",
            "CPU, ms": f"{cpu[name]:.0f}",
            "× boto3's CPU": f"{cpu[name] / cpu[BOTO3]:.2f}",
            "init, ms": median_text([one["init"] for one in starts], 0),
            "handler's CPU, ms": median_text([one["own"] for one in starts], 1),
            "on Lambda, ms": median_text([one["on_lambda"] for one in starts], 0),
        }
        for name, starts in found.items()
    ]
    title = f"Medians of {rounds} starts each, in turns; × boto3: the median of the rounds' own ratios"
    return Measurement.of("cold", title, rows, {name: ratios[name] for name in SCENARIOS})


def ratio(taken: Sequence[float], reference: Sequence[float], rounds: int) -> float:
    """The median of the ratios to the reference's starts in the same round."""
    mine, its = (
        [median(some) for some in batched(each, len(each) // rounds, strict=True)] for each in (taken, reference)
    )
    return median(one / other for one, other in zip(mine, its, strict=True))


def memories(found: Mapping[str, Sequence[Start]]) -> Measurement:
    ratios = {name: max(one["most_mib"] for one in found[name]) / memory(name) for name in SCENARIOS}
    rows = [
        {
            "peak resident memory": name,
            "first answer, MiB": median_text([one["first_mib"] for one in found[name]], 0),
            "all samples, MiB": f"{share * memory(name):,.0f}",
            "MemorySize, MB": str(memory(name)),
            "share": f"{share:.2f}",
        }
        for name, share in ratios.items()
    ]
    return Measurement.of("memory", "Peak of the function's own process", rows, ratios)
