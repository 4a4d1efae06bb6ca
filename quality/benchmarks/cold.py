"""The time of each function's cold start until its first answer, and its memory.

python -m quality.benchmarks.cold [--rounds 12]

Each start is a new process under Lambda's runtime client and the runtime interface emulator, with its layers only,
timed from the request to the complete answer. In every round each function and each reference starts once, so that a
disturbance of the machine affects all.

`handler_timestamps.py` separates the time before and in the handler. Lambda gives the init a whole core, and the
handler `MemorySize`/1769 of one. The column "on Lambda" adds the measured init, the handler's waiting time, and its CPU
time multiplied accordingly.

References: a handler that does nothing, and one that creates a boto3 client of DynamoDB with an installed, compiled
boto3 instead of our layers.
"""

from __future__ import annotations

import compileall
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import distribution
from itertools import batched
from pathlib import Path
from py_compile import PycInvalidationMode
from shutil import copyfile

from urllib3.exceptions import HTTPError

from devstack.workdir import LocalError
from quality.benchmarks.cost import memory
from quality.benchmarks.measurement import Measurement, median_text, run_alone
from quality.benchmarks.processes import cpu_milliseconds, peak_mib, under
from quality.benchmarks.runtime_stack import RuntimeStack, runtime_stack
from quality.benchmarks.scenarios import SCENARIOS
from quality.testkit.lambda_runtime.runtime import Function, cold_starts, running
from quality.testkit.lambda_runtime.samples import cases, sample

ROUNDS = 12
BARE, BOTO3 = "a bare handler", "a boto3 client of DynamoDB"
REFERENCES = {
    BARE: "def handler(event, context):\n    return {}\n",
    BOTO3: 'import boto3\n\nclient = boto3.client("dynamodb")\n\n\ndef handler(event, context):\n    return {}\n',
}
LIBRARIES = {BARE: (), BOTO3: ("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "urllib3", "six")}
OF_THE_RUNTIME = ("simplejson",)  # in Lambda's own image
HANDLER = "handler_timestamps.handler"
WHOLE_CORE = 1769  # MB of memory with a whole core
APART = ("init, ms", "handler's CPU, ms", "on Lambda, ms")
MAX_TRIES = 3  # another process may take the runtime interface emulator's port before it listens


@dataclass
class Starts:
    """The starts of one function."""

    milliseconds: list[float] = field(default_factory=list)
    before: list[float] = field(default_factory=list)  # ms until the handler is called
    handling: list[float] = field(default_factory=list)  # ms in the handler
    handling_cpu: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    first_mib: list[float] = field(default_factory=list)
    most_mib: float = 0.0


def measure(rounds: int) -> Iterator[Measurement]:
    with runtime_stack() as set_up:
        copyfile(Path(__file__).with_name("handler_timestamps.py"), set_up.workshop.client / "handler_timestamps.py")
        found = starts(set_up, rounds)
    yield cold(found, rounds)
    yield memories(found)


def starts(set_up: RuntimeStack, rounds: int) -> dict[str, Starts]:
    """Start everything in turns. The first round warms the disk's cache and is not counted."""
    paths = {name: reference(set_up, name) for name in REFERENCES}
    found = {name: Starts() for name in (*REFERENCES, *SCENARIOS)}
    # The main reference starts between groups of functions.
    turns = [BARE, *(name for some in batched(SCENARIOS, 5, strict=False) for name in (BOTO3, *some))]
    for number in range(rounds + 1):
        for name in turns:
            taken, one = found[name], Starts()
            for remaining in reversed(range(MAX_TRIES)):
                try:
                    start(set_up, name, paths.get(name), one, samples=number == rounds)
                except (LocalError, HTTPError):
                    if not remaining:
                        raise
                else:
                    break
            if number:
                for kind in ("milliseconds", "before", "handling", "handling_cpu", "cpu", "first_mib"):
                    getattr(taken, kind).extend(getattr(one, kind))
                taken.most_mib = max(taken.most_mib, one.most_mib)
    return found


def start(set_up: RuntimeStack, name: str, path: list[Path] | None, taken: Starts, *, samples: bool) -> None:
    """Start one function or reference until its first answer; with `samples` also process all its samples."""
    set_up.partners.reset()
    cloud = set_up.cloud(SCENARIOS[name].configuration if path is None else "prod")
    event = SCENARIOS[name].prepare(set_up, cloud) if path is None else {}
    with (
        set_up.workshop.started(name, cloud=cloud, logs=set_up.folder, handler=HANDLER)
        if path is None
        else running(
            name,
            path=path,
            handler=HANDLER,
            environment=cloud.environment("ReceiveLead"),
            log=set_up.folder / "reference.log",
            lock=set_up.workshop.lock,
        )
    ) as function:
        began = time.monotonic()
        answer = function.invoke(event)
        if path is None and not SCENARIOS[name].is_expected(answer):
            raise SystemExit(f"{name} answered {answer}\n" + "\n".join(function.log_lines()[-5:]))
        taken.milliseconds = [cold_starts[-1][1]]
        called, done, cpu_before, cpu_after = timestamps(set_up)
        taken.before, taken.handling = [(called - began) * 1000], [(done - called) * 1000]
        taken.handling_cpu = [(cpu_after - cpu_before) * 1000]
        runtime = runtime_of(function)
        taken.cpu, taken.first_mib = [cpu_milliseconds(runtime)], [peak_mib(runtime)]
        if samples and path is None:
            work_on(function, name)
        taken.most_mib = peak_mib(runtime)


def timestamps(set_up: RuntimeStack) -> tuple[float, ...]:
    """The output of `handler_timestamps.py` for the last call, in seconds."""
    return tuple(map(float, (set_up.workshop.client / "handler_timestamps.txt").read_text(encoding="ascii").split()))


def work_on(function: Function, name: str) -> None:
    """Process all sample events, twice."""
    for case in [case for of, case in cases() if of == name] * 2:
        function.invoke(sample(name, case))


def runtime_of(function: Function) -> int:
    [runtime] = [pid for pid in under(function.child.guard.pid) if runs_the_client(pid)]
    return runtime


def runs_the_client(pid: int) -> bool:
    """Whether a process is the runtime client, and not the emulator that starts it."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return b"awslambdaric" in words and b"python" in Path(words[0].decode()).name.encode()


def reference(set_up: RuntimeStack, name: str) -> list[Path]:
    """The import path of a reference: its handler, its libraries, the runtime client."""
    folder = set_up.folder / name.replace(" ", "-")
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "app.py").write_text(REFERENCES[name], encoding="utf-8")
    for library in (*LIBRARIES[name], *OF_THE_RUNTIME):
        copy_library(library, folder / "libraries")
    compile_all(folder)
    return [folder / "code", folder / "libraries", set_up.workshop.client]


def copy_library(name: str, into: Path) -> None:
    """Copy an installed library without its compiled files."""
    for file in distribution(name).files or ():
        if "__pycache__" not in file.parts and ".." not in file.parts:
            target = into / file
            target.parent.mkdir(parents=True, exist_ok=True)
            copyfile(str(file.locate()), target)


def compile_all(folder: Path) -> None:
    compileall.compile_dir(str(folder), quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)


def cold(found: Mapping[str, Starts], rounds: int) -> Measurement:
    cpu = statistics.median(found[BOTO3].cpu)
    ratios = {name: ratio(taken, found[BOTO3], rounds) for name, taken in found.items()}
    rows = [
        (
            name,
            median_text(taken.milliseconds, 0),
            f"{ratios[name]:.2f}",
            median_text(taken.cpu, 0),
            f"{statistics.median(taken.cpu) / cpu:.2f}",
            median_text(taken.before, 0),
            median_text(taken.handling_cpu, 1),
            median_text(on_lambda(taken, memory(name) if name in SCENARIOS else memory("ReceiveLead")), 0),
        )
        for name, taken in found.items()
    ]
    columns = ("", "first answer, ms", "× boto3", "CPU, ms", "× boto3's CPU", *APART)
    title = f"Medians of {rounds} starts each, in turns; × boto3: the median of the rounds' own ratios"
    return Measurement("cold", title, columns, tuple(rows), {name: ratios[name] for name in SCENARIOS})


def on_lambda(taken: Starts, given: int) -> list[float]:
    """The starts with the handler's CPU time at `given` MB of memory."""
    slower = max(1.0, WHOLE_CORE / given)
    times = zip(taken.before, taken.handling, taken.handling_cpu, strict=True)
    return [before + max(0.0, handling - cpu) + cpu * slower for before, handling, cpu in times]


def ratio(taken: Starts, reference: Starts, rounds: int) -> float:
    """The median of the ratios to the reference's start in the same round."""
    one, other = ([statistics.median(some) for some in by_round(each, rounds)] for each in (taken, reference))
    return statistics.median(mine / its for mine, its in zip(one, other, strict=True))


def by_round(taken: Starts, rounds: int) -> Iterator[tuple[float, ...]]:
    return batched(taken.milliseconds, len(taken.milliseconds) // rounds, strict=True)


def memories(found: Mapping[str, Starts]) -> Measurement:
    rows = []
    ratios: dict[str, float] = {}
    for name in SCENARIOS:
        taken, given = found[name], memory(name)
        ratios[name] = taken.most_mib / given
        first = median_text(taken.first_mib, 0)
        rows.append((name, first, f"{taken.most_mib:,.0f}", str(given), f"{ratios[name]:.2f}"))
    columns = ("peak resident memory", "first answer, MiB", "all samples, MiB", "MemorySize, MB", "share")
    return Measurement("memory", "Peak of the function's own process", columns, tuple(rows), ratios)


if __name__ == "__main__":
    sys.exit(run_alone(measure, rounds=ROUNDS, described=__doc__))
