"""docs/runbook.md: the commands of the three most urgent sections are run in their order, and end the trouble."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from devstack.sandbox.remote import Remote
from leadbridge.domain.delivery import State
from leadbridge.runtime import aws
from leadbridge_cli.cloud import Cloud
from quality.testkit.cli.terminal import CommandResult, Terminal, put_dead_letter, stored_secret
from quality.testkit.template import ROOT

pytestmark = pytest.mark.usefixtures("queues")

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
COMMAND = re.compile(r"^ *(leadbridge [^\n`]+)$|`(leadbridge [^`\n]+)`", re.MULTILINE)


def commands_of(section: str) -> list[str]:
    """The section's commands, in their order."""
    text = RUNBOOK.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return [found[1] or found[2] for found in COMMAND.finditer(text)]


def run(terminal: Terminal, command: str) -> CommandResult:
    """Run a command of the page for the accepted lead. Its questions are answered with yes."""
    words = shlex.split(command.replace('"$LEAD"', terminal.accepted.lead_id).replace('"$SOURCE"', "web"))[1:]
    asks = words[:2] in (["leads", "resolve"], ["leads", "erase"]) or "--even-if-twice" in words
    return terminal.run(*words, *(["--yes"] if asks else []))


@pytest.fixture
def expired(terminal: Terminal, partners: Remote, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Lead Leader's password has expired, a delivery has failed, and the operator has the new password in a file."""
    monkeypatch.setenv("LEADBRIDGE_STACK", "leadbridge")
    monkeypatch.setattr(Cloud, "_parameter", lambda _self, _name: None)
    new = stored_secret("leadleader")
    Path("leadleader.json").write_text(json.dumps(new))
    old = json.dumps({**new, "password": "expired"})
    aws.secrets_manager().put_secret_value(SecretId="leadbridge/leadleader", SecretString=old)
    terminal.bring(State.FAILED)
    lead_id = terminal.accepted.lead_id
    put_dead_letter(
        "submit-leadleader", {"lead_id": lead_id, "partner": "leadleader", "step": "submit", "reason": "spent"}
    )
    return terminal


def test_expired_credentials_are_replaced(expired: Terminal) -> None:
    check, put, check_one, redrive, *_, failed = commands_of("Replace a partner's credentials")
    found = run(expired, check)
    assert (found.code, "not accepted" in found.out) == (1, True)
    for command in (put, check_one, redrive):
        assert (run(expired, command).code, command) == (0, command)
    assert expired.run(*shlex.split(failed)[1:], "--json").json["leads"] == []
    assert expired.delivery.state is State.RECEIVED


def test_an_incomplete_value_is_refused_with_what_to_do(expired: Terminal) -> None:
    Path("leadleader.json").write_text('{"password": "new"}')
    refused = run(expired, commands_of("Replace a partner's credentials")[1])
    assert (refused.code, "private_key" in refused.failure, "give every key" in refused.failure) == (2, True, True)


def test_an_unknown_lead_is_settled(terminal: Terminal) -> None:
    terminal.bring(State.UNKNOWN)
    steps = {
        "--status unknown": State.UNKNOWN,
        "--reveal": State.UNKNOWN,
        "dlq list": State.UNKNOWN,
        "--deal-id 24": State.SUBMITTED,
        "--deal-id 25 --correct": State.SUBMITTED,
        "--unknown": State.UNKNOWN,
        "--not-created": State.FAILED,
        'retry "$LEAD"': State.RECEIVED,
    }
    on_page = commands_of("Unknown")
    for ending, state in steps.items():
        command = next(one for one in on_page if one.endswith(ending))
        done = run(terminal, command)
        assert (done.code, terminal.delivery.state) == (0, state), (command, done.err)


def test_who_retries_an_unknown_lead_learns_how_to_confirm_it(terminal: Terminal) -> None:
    terminal.bring(State.UNKNOWN)
    on_page = commands_of("Unknown")
    refused = run(terminal, 'leadbridge leads retry "$LEAD"')
    assert (refused.code, "--even-if-twice" in refused.failure) == (4, True)
    confirmed = next(one for one in on_page if one.endswith("--even-if-twice"))
    assert run(terminal, confirmed).code == 0
    assert terminal.delivery.state is State.RECEIVED


def test_the_last_lead_of_a_silent_source_is_found_and_a_test_lead_erased(terminal: Terminal) -> None:
    last, erase, show = commands_of("Stale sources")
    assert terminal.accepted.lead_id in run(terminal, last).out
    assert "/webhooks/" in run(terminal, show).out
    assert run(terminal, erase).code == 0
