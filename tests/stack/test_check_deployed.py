"""What the workflow asks after a deployment, asked of the deployed template as the workflow asks it."""

import os
import re
import subprocess
import sys

import pytest

from devstack.clients import CREDENTIALS, NOTHING_OF_THE_USERS
from devstack.sandbox.remote import Remote
from devstack.stack import Stack
from devstack.workdir import PROJECT
from infra.deployment_probe import PARTITION


def check(stack: Stack, name: str) -> subprocess.CompletedProcess[str]:
    env = {
        **os.environ,
        **CREDENTIALS,
        **NOTHING_OF_THE_USERS,
        "AWS_ENDPOINT_URL": stack.aws_endpoint_url,
        "AWS_DEFAULT_REGION": stack.region,
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }
    command = [sys.executable, "-m", "infra.check", "--stack", name, "--api", stack.api_url]
    return subprocess.run(command, cwd=PROJECT, env=env, text=True, capture_output=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def done(stack: Stack) -> subprocess.CompletedProcess[str]:
    """A successful check of the stack."""
    done = check(stack, stack.stack_name)
    assert not done.returncode, done.stdout + done.stderr
    return done


def test_the_deployed_stack_answers_as_it_should(done: subprocess.CompletedProcess[str]) -> None:
    assert [" ".join(line.split()[:3]) for line in done.stdout.splitlines()[:3]] == [
        "GET /health: 200",
        "GET /leads: 401",
        "GET /leads: 401",
    ]
    assert done.stdout.splitlines()[3] == "POST /webhooks/web: 401 not-authentic"
    (road,) = done.stdout.splitlines()[4:]
    found = re.fullmatch(
        r"end to end: \d+\.\d s from the gateway to the workers of (.*), and the lead is removed", road
    )
    assert found is not None, road
    assert found[1] == "broker-b, broker-c, leadleader, lender-b, matchtrade"


@pytest.mark.usefixtures("done")
def test_the_test_lead_is_gone_and_no_partner_has_ever_seen_it(stack: Stack, partner: Remote) -> None:
    outputs = stack.client("cloudformation").describe_stacks(StackName=stack.stack_name)["Stacks"][0]["Outputs"]
    (table,) = [one["OutputValue"] for one in outputs if one["OutputKey"] == "TableName"]
    key = {"pk": {"S": PARTITION}, "sk": {"S": "LEAD"}}
    assert "Item" not in stack.client("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True)
    phones = [call["telephone"] for call in partner.calls("leadleader", "create")]
    emails = [call["email"] for call in partner.calls("matchtrade", "create")]
    assert "0500000000" not in phones
    assert "self-check@example.com" not in emails


def test_a_stack_that_is_not_there_does_not(stack: Stack) -> None:
    done = check(stack, "leadbridge-nowhere")
    assert done.returncode == 1
    assert "AWS does not have stack leadbridge-nowhere" in done.stderr
