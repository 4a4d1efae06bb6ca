"""The account's concurrency against what the template may use: told before a deployment, refused for prod."""

import re
import subprocess
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from infra.concurrency import check, needed, parameters_of
from quality.testkit.template import ROOT, template


def wanted(**parameters: str) -> dict[str, int]:
    return needed(template(), parameters)


def answered(total: int, unreserved: int, *, refuses: bool) -> tuple[bool, list[str]]:
    client = boto3.client("lambda", "eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
    told: list[str] = []
    with Stubber(client) as stub:
        limits = {"ConcurrentExecutions": total, "UnreservedConcurrentExecutions": unreserved}
        stub.add_response("get_account_settings", {"AccountLimit": limits}, {})
        return check(client, {}, refuses=refuses, tell=told.append), told


def test_the_mappings_count_with_their_parameters() -> None:
    found = wanted()
    assert (found["CheckStatus"], found["FetchLead"], found["SendMessage"]) == (5, 5, 2)
    assert found["SubmitLead"] == 5 + 2, "one mapping for each partner kind"
    assert wanted(LeadLeaderConcurrency="30")["SubmitLead"] == 30 + 2
    assert found["PublishChanges"] == 16, "four lanes of each of four shards"
    assert found["FindDue"] == found["Authorize"] == 1
    assert found.keys() == {
        name for name, one in template()["Resources"].items() if one["Type"] == "AWS::Serverless::Function"
    }


def test_the_forms_count_by_what_the_gateway_lets_through_unless_they_have_their_own() -> None:
    assert wanted()["ReceiveLead"] == 20
    assert wanted(ThrottleRate="500")["ReceiveLead"] == 100
    assert wanted(ReservedConcurrency="50")["ReceiveLead"] == 0


def test_a_new_accounts_quota_is_refused_for_prod_with_the_numbers() -> None:
    goes_on, told = answered(10, 10, refuses=True)
    assert not goes_on
    (line,) = told
    total = sum(wanted().values())
    for said in (f"{total} executions", "has 10", "10 are unreserved", "Service Quotas", "docs/deploy.md#concurrency"):
        assert said in line


def test_a_new_accounts_quota_is_a_warning_for_dev() -> None:
    goes_on, told = answered(10, 10, refuses=False)
    assert goes_on
    assert "Service Quotas" in told[0]


def test_what_others_have_reserved_does_not_count() -> None:
    total = sum(wanted().values())
    assert answered(1000, total - 1, refuses=True)[0] is False
    goes_on, told = answered(1000, total, refuses=True)
    assert goes_on
    assert "Service Quotas" not in told[0]


def test_a_quota_that_lambda_does_not_tell_is_a_warning() -> None:
    client = boto3.client("lambda", "eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
    told: list[str] = []
    with Stubber(client) as stub:
        stub.add_client_error("get_account_settings", "AccessDeniedException", "no", 403)
        assert check(client, {}, refuses=True, tell=told.append)
    assert "AccessDeniedException" in told[0]


def test_the_usual_quota_has_room_for_what_is_shipped() -> None:
    assert answered(1000, 900, refuses=True)[0]


def test_the_page_says_how_many_it_is() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    assert f"With the default parameters the stack may use {sum(wanted().values())} at once" in page


def test_given_parameters_replace_those_of_the_environment() -> None:
    assert parameters_of("prod")["Environment"] == "prod"
    given = parameters_of("prod", "Environment=prod LeadLeaderConcurrency=40")
    assert given == {"Environment": "prod", "LeadLeaderConcurrency": "40"}


@pytest.mark.parametrize("given", [[], ["PARAMETERS=Environment=prod GraphConcurrency=9"]])
def test_make_deploy_compares_before_it_deploys(given: list[str]) -> None:
    command = ["make", "--dry-run", "--no-print-directory", "deploy", "ENV=prod", *given]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True)
    compares, deploys = done.stdout.index("infra.concurrency prod"), done.stdout.index("sam deploy")
    assert compares < deploys
    if given:
        assert '--parameters "Environment=prod GraphConcurrency=9"' in done.stdout


@pytest.mark.parametrize(
    ("value", "is_one"), [("0", True), ("100", True), ("99999", True), ("", False), ("007", False), ("-1", False)]
)
def test_a_reservation_is_a_number_or_none(value: str, is_one: bool) -> None:
    parameter: dict[str, Any] = template()["Parameters"]["ReservedConcurrency"]
    assert bool(re.fullmatch(parameter["AllowedPattern"], value)) == is_one
    reserved = template()["Resources"]["ReceiveLead"]["Properties"]["ReservedConcurrentExecutions"]
    assert reserved == {"Fn::If": ["HasReservedConcurrency", {"Ref": "ReservedConcurrency"}, {"Ref": "AWS::NoValue"}]}
