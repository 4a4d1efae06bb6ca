"""What moves a deployment back, nobody outside can cause: a function's errors, and the faults laid to its version."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from leadbridge.runtime import aws
from quality.testkit.aws.aws_answers import aws_error
from quality.testkit.aws.memory_stack import MemoryStack, memory_stack
from quality.testkit.aws.operator_flows import TOKEN
from quality.testkit.fakes.watched import watched_by
from quality.testkit.template import resources
from quality.testkit.wiring import routes

ALARMS = resources("AWS::CloudWatch::Alarm")
SECRETS = ["index", "leadleader", "leeloo", "matchtrade", "operators", "sources"]
NOTHING = '{"key": "a-key"}'  # a secret that holds nothing that anybody asks for
HEADERS = [{}, {"Authorization": "Bearer x"}, {"Authorization": "Bearer ключ"}, {"Content-Type": "application/json"}]
BODIES = [None, "", "{}", '{"a": 1, "a": 2}', "\ud800", "[" * 9000, "7" * 300_000]


@pytest.fixture
def stack() -> Iterator[MemoryStack]:
    """A stack just made: no secret has a value that tells anybody from anybody else."""
    with memory_stack() as made:
        yield made


def metrics_of(told: str) -> list[dict[str, Any]]:
    """The lines that measure something."""
    return [line for line in map(json.loads, filter(None, told.splitlines())) if "_aws" in line]


def counted(told: str) -> set[str]:
    """The names of what was counted."""
    envelopes = [envelope for line in metrics_of(told) for envelope in line["_aws"]["CloudWatchMetrics"]]
    return {metric["Name"] for envelope in envelopes for metric in envelope["Metrics"]}


def test_deployments_go_back_by_a_versions_errors_and_faults_and_by_nothing_else() -> None:
    kinds = set()
    for function in resources("AWS::Serverless::Function").values():
        ringing, nothing = function["Properties"]["DeploymentPreference"]["Alarms"]["Fn::If"][1:]
        assert nothing == [{"Ref": "AWS::NoValue"}]
        for alarm in ringing:
            (metric,) = watched_by(ALARMS[alarm["Ref"]])
            kinds.add((metric.name, *(name for name, _ in metric.dimensions)))
    assert kinds == {("Errors", "FunctionName", "Resource", "ExecutedVersion"), ("Faults", "service", "version")}


@pytest.mark.parametrize("value", [None, NOTHING, "no JSON"], ids=["no value", "of nobody", "unreadable"])
@pytest.mark.parametrize("headers", HEADERS, ids=str)
def test_no_request_without_a_proof_moves_a_deployment_back(
    stack: MemoryStack, headers: dict[str, str], value: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    for secret in SECRETS:
        whole: Any = {"SecretId": f"leadbridge/{secret}"}
        if value is None:
            aws.secrets_manager().delete_secret(**whole, ForceDeleteWithoutRecovery=True)
        else:
            aws.secrets_manager().put_secret_value(**whole, SecretString=value)
    asked = {"token": "x", "lead_id": "ld_x", "partner": "leadleader", "queue": "checks", "file": "../app.py"}
    for method, path in routes():
        for source in ("web", "meta-credit", "plain-credit", "nobody", "") if "{source}" in path else ("",):
            for body in BODIES if method == "POST" else [None]:
                more = {
                    "pathParameters": {**asked, "source": source},
                    "queryStringParameters": {"hub.mode": "subscribe"},
                }
                stack.ask(method, path, body, headers=headers, **more)  # what raises is an error of the function
    names = counted(capsys.readouterr().out)
    assert "LeadsRefused" in names
    assert names & {"Faults", "ReceptionErrors"} == set()


@pytest.mark.parametrize(
    ("path", "named", "secrets"),
    [
        ("/webhooks/{source}", {"source": "web"}, {}),
        ("/partners/leeloo/{token}", {"token": "x"}, {"leeloo": "no JSON"}),
    ],
)
def test_a_secret_that_is_missing_is_counted_as_what_it_is(
    stack: MemoryStack, path: str, named: dict[str, str], secrets: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in secrets.items():
        aws.secrets_manager().put_secret_value(SecretId=f"leadbridge/{name}", SecretString=text)
    answer = stack.ask("POST", path, "{}", headers={"Content-Type": "application/json"}, pathParameters=named)
    assert answer["statusCode"] == 503
    assert counted(capsys.readouterr().out) == {"SourceNotReady"}


@pytest.mark.parametrize(("path", "named"), [("/webhooks/{source}", "source"), ("/partners/leeloo/{token}", "token")])
def test_what_only_we_can_cause_is_laid_to_the_version_that_runs(
    stack: MemoryStack,
    path: str,
    named: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(**_: object) -> None:
        raise PermissionError("the role lacks a right")

    monkeypatch.setattr(aws.secrets_manager(), "get_secret_value", refused)
    answer = stack.ask("POST", path, "{}", headers={"Content-Type": "application/json"}, pathParameters={named: "web"})
    assert answer["statusCode"] == 500
    told = capsys.readouterr().out
    assert counted(told) == {"ReceptionErrors", "Faults"}
    (line,) = [line for line in metrics_of(told) if "Faults" in line]
    assert line["Faults"] == [1.0]
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service", "version"]]
    assert line["version"] == "$LATEST"


@pytest.mark.parametrize(
    ("path", "named", "told"),
    [
        ("/webhooks/{source}", "source", {"ReceptionBusy"}),
        ("/partners/leeloo/{token}", "token", {"ReceptionBusy"}),
    ],
)
def test_a_transient_error_of_aws_is_counted_and_laid_to_no_version(
    stack: MemoryStack,
    path: str,
    named: str,
    told: set[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def throttled(**_: object) -> None:
        raise aws_error("ThrottlingException", "GetSecretValue")

    monkeypatch.setattr(aws.secrets_manager(), "get_secret_value", throttled)
    answer = stack.ask("POST", path, "{}", headers={"Content-Type": "application/json"}, pathParameters={named: "web"})
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "10")
    assert counted(capsys.readouterr().out) == told


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_an_authorizer_that_cannot_read_its_tokens_fails(stack: MemoryStack, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: object) -> None:
        raise PermissionError("the role lacks a right")

    monkeypatch.setattr(aws.secrets_manager(), "get_secret_value", refused)
    with pytest.raises(PermissionError):
        stack.ask("GET", "/leads", headers={"Authorization": f"Bearer {TOKEN}"})


@pytest.mark.parametrize("index", ["{}", "no JSON", '{"kye": "a key"}'])
def test_without_the_index_key_leeloo_and_operators_are_asked_to_try_again(
    stack: MemoryStack, index: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The index's key makes every hash; a worker without it has nothing to write or to look up."""
    stack.put_secret("leeloo", {"webhook_token": "token"})
    stack.put_secret("operators", {"anna": TOKEN})
    aws.secrets_manager().put_secret_value(SecretId="leadbridge/index", SecretString=index)
    event = json.dumps({"type": "ORDER", "data": {"phone": "+380500000001"}})
    place, headers = {"token": "token"}, {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
    answers = [
        stack.ask("POST", "/partners/leeloo/{token}", event, headers=headers, pathParameters=place),
        stack.ask("GET", "/leads", headers=headers, queryStringParameters={"phone": "380500000001"}),
    ]
    assert [(one["statusCode"], one["headers"]["Retry-After"]) for one in answers] == [(503, "10")] * 2
    assert all("not-ready" in one["body"] for one in answers)
    assert counted(capsys.readouterr().out) & {"Faults", "ReceptionErrors"} == set()
