"""What a stack is asked after its deployment: answered by the real handlers, and by stacks that are ill."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import urllib3

from devstack.commands.api import Answer
from infra.check import MAX_ATTEMPTS, Request, check, main, probe_passes, requests_for
from leadbridge.runtime import aws
from leadbridge.settings import Settings
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.statistics import posts
from leadbridge_cli.cloud import Cloud
from leadbridge_cli.exit_codes import Failure
from quality.testkit.fixtures import TABLE, Context
from quality.testkit.template import ROOT
from quality.testkit.wiring import routes

API = "https://api.example.com/v1"


def answered(status: int, kind: str, content: dict[str, Any]) -> Answer:
    return Answer(status, content, {"content-type": kind}, 0.0)


REFUSED = answered(401, "application/problem+json", {"type": "urn:leadbridge:problem:unauthorized"})
FORGED = answered(401, "application/problem+json", {"type": "urn:leadbridge:problem:not-authentic"})
FINE = {"GET /health": answered(200, "application/json", {}), "GET /leads": REFUSED, "POST /webhooks/web": FORGED}


@dataclass
class Stack:
    """Answers by route; a route that has several answers gives one after another, the last for ever."""

    answers: dict[str, list[Answer | Exception]]
    asked: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    slept: float = 0.0

    def ask(self, method: str, url: str, **_: object) -> Answer:
        request = f"{method} {url.removeprefix(API)}"
        self.asked.append(request)
        left = self.answers[request]
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def is_well(self, asked: list[Request]) -> bool:
        return check(API, asked, self.ask, sleep=self.sleep, tell=self.told.append)

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


def stack(**ill: list[Answer | Exception]) -> Stack:
    """One that is well but where it is said otherwise: by the path's last word."""
    return Stack({route: ill.get(route.rpartition("/")[2], [answer]) for route, answer in FINE.items()})


def never(_seconds: float) -> None:
    pytest.fail("a right answer was asked for again")


@pytest.fixture
def handlers(
    store: LeadRepository, shipped_settings: Settings, function: Callable[[str], Any], context: Context
) -> Callable[..., Answer]:
    """The routes by their handlers; the gateway refuses whoever brings no token."""
    flows = {name: function(name) for name in ("receive_lead", "manage_leads", "authorize")}

    def ask(method: str, url: str, *, headers: dict[str, str], body: bytes | None) -> Answer:
        path = url.removeprefix(API)
        if path == "/leads":
            if "Authorization" in headers:
                bearer = {"authorizationToken": headers["Authorization"], "methodArn": "arn/v1/GET/leads"}
                (statement,) = flows["authorize"].handler(bearer, context)["policyDocument"]["Statement"]
                assert statement["Effect"] == "Deny"
            return REFUSED
        source = path.removeprefix("/webhooks/")
        flow = "manage_leads" if source == path else "receive_lead"
        event: dict[str, Any] = {
            "httpMethod": method,
            "path": path,
            "resource": path,
            "headers": headers,
        }
        event |= {"pathParameters": {"source": source}, "body": (body or b"").decode()}
        response = flows[flow].handler(event, context)
        return answered(response["statusCode"], response["headers"]["Content-Type"], json.loads(response["body"]))

    return ask


@pytest.mark.parametrize("secret", [None, {}, {"web": {"secrets": ["whsec_c2VjcmV0"]}}])
def test_a_stack_is_well_before_and_after_its_secrets_are_put_and_no_lead_is_stored(
    handlers: Callable[..., Answer], shipped_settings: Settings, secret: dict[str, Any] | None
) -> None:
    if secret is not None:
        aws.secrets_manager().create_secret(Name="leadbridge/sources", SecretString=json.dumps(secret))
    told: list[str] = []
    assert check(API, requests_for(shipped_settings), handlers, sleep=never, tell=told.append), told
    assert told[-1] == f"POST /webhooks/web: {'401 not-authentic' if secret else '503 not-ready'}"
    counted = {one["pk"]["S"] for one in aws.dynamodb().scan(TableName=TABLE)["Items"]}
    assert counted == {posts.PARTITION}  # a refused post is counted, and nothing else is stored


@pytest.mark.parametrize("source", ["web", "tilda-credit", "jotform-credit", "meta-credit", "google-credit"])
def test_any_kind_of_form_may_be_the_first(
    handlers: Callable[..., Answer], shipped_settings: Settings, source: str
) -> None:
    only = shipped_settings.model_copy(update={"sources": {source: shipped_settings.sources[source]}})
    aws.secrets_manager().create_secret(
        Name="leadbridge/sources", SecretString=json.dumps({source: {"secrets": ["x" * 32]}})
    )
    asked = requests_for(only)[-1]
    answer = handlers(asked.method, API + asked.path, headers=asked.headers, body=asked.body)
    assert str(answer) == "401 not-authentic"
    assert asked.is_met_by(answer)


def test_each_question_goes_to_a_route_of_the_template(shipped_settings: Settings) -> None:
    asked = {
        (one.method, one.path.replace("/webhooks/web", "/webhooks/{source}")) for one in requests_for(shipped_settings)
    }
    assert len(asked) == 3
    assert asked <= routes().keys()


@pytest.mark.parametrize(
    "ill",
    [
        {"health": [answered(502, "application/json", {"message": "Internal server error"})]},
        {"health": [answered(403, "application/json", {"message": "Missing Authentication Token"})]},
        {"leads": [answered(200, "application/json", {"leads": []})]},
        {"leads": [answered(500, "application/problem+json", {})]},
        {"web": [answered(401, "application/json", {"message": "Unauthorized"})]},
        {"web": [answered(404, "application/problem+json", {"type": "urn:leadbridge:problem:unknown-source"})]},
        {"web": [answered(503, "application/json", {"message": "Service Unavailable"})]},
        {"web": [urllib3.exceptions.NewConnectionError(None, "nobody listens")]},  # type: ignore[arg-type]
    ],
    ids=str,
)
def test_an_unhealthy_stack_is_polled_and_then_reported(ill: dict[str, Any], shipped_settings: Settings) -> None:
    found = stack(**ill)
    assert not found.is_well(requests_for(shipped_settings))
    [told] = [line for line in found.told if "; expected" in line][:1]
    assert found.asked.count(told.partition(":")[0]) % MAX_ATTEMPTS == 0
    assert 0 < found.slept < 60
    assert set(found.asked) == FINE.keys(), "one that is ill keeps nobody from asking the others"


def test_a_function_may_be_slow_to_come(shipped_settings: Settings) -> None:
    late = urllib3.exceptions.ReadTimeoutError(None, None, "late")  # type: ignore[arg-type]
    found = stack(health=[answered(502, "", {}), late, FINE["GET /health"]])
    assert found.is_well(requests_for(shipped_settings))
    assert found.asked.count("GET /health") == 3


def test_a_form_that_accepts_unsigned_posts_fails_at_once(shipped_settings: Settings) -> None:
    found = stack(web=[answered(202, "application/json", {"lead_id": "ld_x"})])
    assert not found.is_well(requests_for(shipped_settings))
    assert found.asked.count("POST /webhooks/web") == 1


@pytest.mark.parametrize("stack", [{}, {"Outputs": [{"OutputKey": "ApiUrl", "OutputValue": API}]}])
def test_another_stack_is_not_checked(stack: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cloud, "_description", stack)
    with pytest.raises(
        SystemExit, match=r"Stack mine has no output ApiUrl: it is not a leadbridge stack, or its deployment"
    ):
        main(stack="mine")


@pytest.mark.usefixtures("store")
def test_a_secret_that_is_missing_is_named(shipped_settings: Settings) -> None:
    cloud = Cloud(None, "mine", "eu-central-1", None)
    with pytest.raises(Failure, match=r"AWS does not have the secret mine/self-check \(ResourceNotFoundException\): "):
        probe_passes(cloud, API, shipped_settings)


def test_it_wants_to_know_which_stack() -> None:
    done = subprocess.run([sys.executable, "-m", "infra.check"], cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "Name the deployment: make check-deployed ENV=dev (or prod), or STACK=name.\n"


@pytest.mark.parametrize(
    ("given", "runs"),
    [
        (["ENV=dev"], "infra.check dev"),
        (["STACK=mine", "API=http://127.0.0.1:1"], 'infra.check  --stack "mine" --api "http://127.0.0.1:1"'),
    ],
)
def test_make_asks_the_stack_that_is_named(given: list[str], runs: str) -> None:
    command = ["make", "--dry-run", "--no-print-directory", "check-deployed", *given]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    assert runs in done.stdout, done.stderr
