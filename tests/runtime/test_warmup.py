"""What every request of a function needs is made before the first one comes: clients, models, modules."""

from pathlib import Path

from quality.testkit.lambda_runtime.cloud import Cloud
from quality.testkit.lambda_runtime.runtime import running
from quality.testkit.lambda_runtime.samples import sample
from quality.testkit.lambda_runtime.workshop import Workshop


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
