"""How long each function takes from nothing to its first answer, and how much memory it wants.

python -m quality.benchmarks.cold [--rounds 12]

Each start is a new process under Lambda's own runtime client and the runtime interface emulator, with its layers and
nothing else, timed from outside, from the request to the answer to a sample event that is answered in full. In every
round each function and each reference starts once, so that whatever disturbs the machine disturbs all alike.

What came before the handler was called and what after is told apart (`moments.py`, called in its place). Lambda lends
the one a whole core and the other `MemorySize`/1769 of one; the column "on Lambda" is the start as it was, the
handler's waiting as it was, and its CPU time by as much longer.

References: a handler that does nothing, and one that makes a boto3 client of DynamoDB, with boto3 as it is installed,
compiled, in the place of our layers.
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
from quality.benchmarks.measurement import Part, median_text, run_alone
from quality.benchmarks.processes import cpu_milliseconds, peak_mib, under
from quality.benchmarks.runtime_stack import Stage, stage
from quality.benchmarks.scenarios import SCENES
from quality.testkit.lambda_runtime.runtime import Function, cold_starts, running
from quality.testkit.lambda_runtime.samples import cases, sample

ROUNDS = 12
BARE, BOTO3 = "a bare handler", "a boto3 client of DynamoDB"
REFERENCES = {
    BARE: "def handler(event, context):\n    return {}\n",
    BOTO3: 'import boto3\n\nclient = boto3.client("dynamodb")\n\n\ndef handler(event, context):\n    return {}\n',
}
LIBRARIES = {BARE: (), BOTO3: ("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "urllib3", "six")}
OF_THE_RUNTIME = ("simplejson",)  # what Lambda's own image has beside the runtime client
WITH_MOMENTS = "moments.handler"
WHOLE_CORE = 1769  # MB of memory that buy a whole core
APART = ("init, ms", "handler's CPU, ms", "on Lambda, ms")
TRIES = 3  # the runtime interface emulator may lose its port to another process before it listens


@dataclass
class Taken:
    """What the starts of one function took."""

    milliseconds: list[float] = field(default_factory=list)
    before: list[float] = field(default_factory=list)  # from the request until the handler is called, ms
    handling: list[float] = field(default_factory=list)  # from there to its answer, ms
    handling_cpu: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    first_mib: list[float] = field(default_factory=list)
    most_mib: float = 0.0


def measured(rounds: int) -> Iterator[Part]:
    """Cold starts, and memory."""
    with stage() as set_up:
        copyfile(Path(__file__).with_name("timestamps.py"), set_up.workshop.client / "moments.py")
        found = starts(set_up, rounds)
    yield cold(found, rounds)
    yield memories(found)


def starts(set_up: Stage, rounds: int) -> dict[str, Taken]:
    """Everything, in turns; the first round warms the disk's cache and is not counted."""
    paths = {name: reference(set_up, name) for name in REFERENCES}
    found = {name: Taken() for name in (*REFERENCES, *SCENES)}
    # What all are measured against starts as often as needed to stand between them.
    turns = [BARE, *(name for some in batched(SCENES, 5, strict=False) for name in (BOTO3, *some))]
    for number in range(rounds + 1):
        for name in turns:
            taken, one = found[name], Taken()
            for remaining in reversed(range(TRIES)):
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


def start(set_up: Stage, name: str, path: list[Path] | None, taken: Taken, *, samples: bool) -> None:
    """One function or reference from nothing to its first answer; with `samples` it then answers all its samples."""
    set_up.partners.reset()
    cloud = set_up.cloud()
    event = SCENES[name].prepared(set_up, cloud) if path is None else {}
    with (
        set_up.workshop.started(name, cloud=cloud, logs=set_up.folder, handler=WITH_MOMENTS)
        if path is None
        else running(
            name,
            path=path,
            handler=WITH_MOMENTS,
            environment=cloud.environment("ReceiveLead"),
            log=set_up.folder / "reference.log",
            lock=set_up.workshop.lock,
        )
    ) as function:
        began = time.monotonic()
        answer = function.invoke(event)
        if path is None and not SCENES[name].ends_well(answer):
            raise SystemExit(f"{name} answered {answer}\n" + "\n".join(function.log_lines()[-5:]))
        taken.milliseconds = [cold_starts[-1][1]]
        asked, done, cpu_before, cpu_after = moments(set_up)
        taken.before, taken.handling = [(asked - began) * 1000], [(done - asked) * 1000]
        taken.handling_cpu = [(cpu_after - cpu_before) * 1000]
        runtime = runtime_of(function)
        taken.cpu, taken.first_mib = [cpu_milliseconds(runtime)], [peak_mib(runtime)]
        if samples and path is None:
            work_on(function, name)
        taken.most_mib = peak_mib(runtime)


def moments(set_up: Stage) -> tuple[float, ...]:
    """What `moments.py` wrote of the last call: seconds."""
    return tuple(map(float, (set_up.workshop.client / "moments.txt").read_text(encoding="ascii").split()))


def work_on(function: Function, name: str) -> None:
    """Give it all its sample events, twice."""
    for case in [case for of, case in cases() if of == name] * 2:
        function.invoke(sample(name, case))


def runtime_of(function: Function) -> int:
    """The function's own process."""
    [runtime] = [pid for pid in under(function.child.guard.pid) if runs_the_client(pid)]
    return runtime


def runs_the_client(pid: int) -> bool:
    """Whether a process is the runtime client itself, and not the emulator that was told to start it."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return b"awslambdaric" in words and b"python" in Path(words[0].decode()).name.encode()


def reference(set_up: Stage, name: str) -> list[Path]:
    """The import path of a reference: its handler, the libraries it needs as they are installed, the client."""
    folder = set_up.folder / name.replace(" ", "-")
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "app.py").write_text(REFERENCES[name], encoding="utf-8")
    for library in (*LIBRARIES[name], *OF_THE_RUNTIME):
        copy_library(library, folder / "libraries")
    compile_all(folder)
    return [folder / "code", folder / "libraries", set_up.workshop.client]


def copy_library(name: str, into: Path) -> None:
    """Everything of an installed library but what was compiled here already."""
    for file in distribution(name).files or ():
        if "__pycache__" not in file.parts and ".." not in file.parts:
            target = into / file
            target.parent.mkdir(parents=True, exist_ok=True)
            copyfile(str(file.locate()), target)


def compile_all(folder: Path) -> None:
    """Compile as the layers are compiled."""
    compileall.compile_dir(str(folder), quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)


def cold(found: Mapping[str, Taken], rounds: int) -> Part:
    """The table of cold starts."""
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
            median_text(on_lambda(taken, memory(name) if name in SCENES else memory("ReceiveLead")), 0),
        )
        for name, taken in found.items()
    ]
    columns = ("", "first answer, ms", "× boto3", "CPU, ms", "× boto3's CPU", *APART)
    title = f"Medians of {rounds} starts each, in turns; × boto3: the median of the rounds' own ratios"
    return Part("cold", title, columns, tuple(rows), {name: ratios[name] for name in SCENES})


def on_lambda(taken: Taken, given: int) -> list[float]:
    """The starts with the handler's CPU time as `given` MB of memory buy it."""
    slower = max(1.0, WHOLE_CORE / given)
    times = zip(taken.before, taken.handling, taken.handling_cpu, strict=True)
    return [before + max(0.0, handling - cpu) + cpu * slower for before, handling, cpu in times]


def ratio(taken: Taken, reference: Taken, rounds: int) -> float:
    """The median over the rounds of a start's time by that of the reference in the same round.

    So a machine that is slow for some rounds is slow for both.
    """
    one, other = ([statistics.median(some) for some in by_round(each, rounds)] for each in (taken, reference))
    return statistics.median(mine / its for mine, its in zip(one, other, strict=True))


def by_round(taken: Taken, rounds: int) -> Iterator[tuple[float, ...]]:
    """The milliseconds of each round."""
    return batched(taken.milliseconds, len(taken.milliseconds) // rounds, strict=True)


def memories(found: Mapping[str, Taken]) -> Part:
    """The table of memory, beside what the template gives."""
    rows = []
    ratios: dict[str, float] = {}
    for name in SCENES:
        taken, given = found[name], memory(name)
        ratios[name] = taken.most_mib / given
        first = median_text(taken.first_mib, 0)
        rows.append((name, first, f"{taken.most_mib:,.0f}", str(given), f"{ratios[name]:.2f}"))
    columns = ("peak resident memory", "first answer, MiB", "all samples, MiB", "MemorySize, MB", "share")
    return Part("memory", "Peak of the function's own process", columns, tuple(rows), ratios)


def main() -> int:
    """Measure and print."""
    return run_alone(measured, rounds=ROUNDS, described=__doc__)


if __name__ == "__main__":
    sys.exit(main())
