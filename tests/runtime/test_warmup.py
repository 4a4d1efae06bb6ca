"""What every request of a function needs is made before the first one comes: clients, models, modules."""

from pathlib import Path

import pytest

from devstack.clients import Emulator
from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from quality.testkit.lambda_runtime.cloud import Backend, Cloud
from quality.testkit.lambda_runtime.runtime import running
from quality.testkit.lambda_runtime.samples import FUNCTIONS, sample
from quality.testkit.lambda_runtime.scenarios import SCENARIOS
from quality.testkit.lambda_runtime.workshop import Workshop


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_the_first_request_makes_nothing_that_the_start_could_make(
    workshop: Workshop, emulator: Emulator, sandbox: Sandbox, tmp_path: Path, function: str
) -> None:
    scenario = SCENARIOS[function]
    backend = Backend.made(emulator, Remote(sandbox.url), sandbox.secrets(), scenario.configuration)
    event = scenario.prepare(backend)
    with workshop.started(function, cloud=backend.cloud, logs=tmp_path, handler="witness.handler") as started:
        told = started.invoke(event)
        lines = started.log_lines()

    shipped = [workshop.workdir.build / function, *workshop.layers]
    late = [name for name in told["late"] if name in told["files"] and is_of(shipped, told["files"][name][0])]
    assert scenario.is_expected(told["answer"])
    assert (told["made"], late) == ([], [])
    assert told["compiled"] == []  # the layer ships the code of all data classes
    assert [line for line in lines if "a warm-up step failed" in line] == []


def test_a_start_that_cannot_prepare_says_so_and_answers_all_the_same(
    workshop: Workshop, cloud: Cloud, tmp_path: Path
) -> None:
    environment = cloud.environment("ManageLeads") | {"LEADBRIDGE_ENVIRONMENT": "nowhere"}
    log = tmp_path / "ManageLeads.log"
    path = workshop.path("ManageLeads")
    health = sample("ManageLeads", "health")
    with running(
        "ManageLeads",
        path=path,
        handler="app.handler",
        environment=environment,
        log=log,
        lock=workshop.lock,
    ) as started:
        answer = started.invoke(health)
        (line, *_) = [line for line in started.log_lines() if "a warm-up step failed" in line]

    assert answer["statusCode"] == 200
    assert '"level":"WARNING"' in line


def is_of(folders: list[Path], file: str) -> bool:
    return any(Path(file).is_relative_to(folder) for folder in folders)
