"""docs/command.md: every command in it is run as it stands there, one after the other."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from devstack.sandbox.remote import Remote
from leadbridge.domain import delivery as steps
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.field_codes import FieldCode, FieldError
from leadbridge.domain.feedback.postback import Postback
from leadbridge.domain.feedback.states import PostbackState
from leadbridge.domain.message import fail, operator_message
from leadbridge.runtime import aws
from leadbridge.storage.feedback.postbacks import postback_item
from leadbridge.storage.items import encode
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.messages import MessageRepository
from leadbridge.storage.table import Table
from leadbridge_cli.__main__ import app
from leadbridge_cli.cloud import Cloud
from leadbridge_cli.exit_codes import Code
from quality.testkit.cli.terminal import MINUTE, SYNC_STATE, Terminal, put_dead_letter, secret, stored_secret
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE
from quality.testkit.people import NOW, lead
from quality.testkit.template import ROOT, table_definition

DOCS = (ROOT / "docs" / "command.md").read_text(encoding="utf-8")
LINES = [
    line.partition("  #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", DOCS, re.DOTALL)
    for line in block.splitlines()
    if "leadbridge" in line
]


@pytest.fixture
def values(terminal: Terminal, queues: None, partners: Remote, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the documents' variables stand for, in a world in which every command of theirs can do its work."""
    monkeypatch.setenv("LEADBRIDGE_STACK", "leadbridge")
    monkeypatch.setattr(Cloud, "_parameter", lambda _self, _name: None)
    topic = aws.sns().create_topic(Name="alarms")["TopicArn"]
    outputs = {"AlarmTopicArn": topic, "TableName": TABLE}
    monkeypatch.setattr(Cloud, "output", lambda _self, name: outputs[name])
    copy = LeadRepository(Table(aws.dynamodb(), "leadbridge-copy"))
    aws.dynamodb().create_table(**table_definition("leadbridge-copy"))
    assert copy.accept(terminal.accepted, phone_hash=None) is None
    secret("sources", {"web": {"secrets": ["whsec_b2xk"]}})
    Path("leeloo.json").write_text(json.dumps(stored_secret("leeloo")))
    Path("shop.json").write_text(json.dumps({"secrets": ["0123456789abcdef"]}))
    Path("broker-b.json").write_text(json.dumps(stored_secret("matchtrade")))
    shutil.copytree(ROOT / "config", "config")
    shutil.copytree(ROOT / "events" / "receive_lead", "events/receive_lead")
    aws.dynamodb().put_item(TableName=TABLE, Item=encode(SYNC_STATE))
    failed, unknown = lead(2), lead(3)
    for one in (failed, unknown):
        terminal.store.accept(one, phone_hash=None)
        waiting = terminal.store.delivery(one.lead_id, "leadleader")
        assert waiting is not None
        begun = terminal.store.apply(steps.start_attempt(waiting, NOW, MINUTE))
        terminal.store.apply(
            steps.reject(begun, NOW, some_error("no"))
            if one is failed
            else steps.mark_unknown(begun, NOW, some_error("lost"))
        )
    message = operator_message(failed.lead_id, NOW, "x", account_id=None, template_id=None, text="x", variables={})
    outbox = MessageRepository(Table(aws.dynamodb(), TABLE))
    outbox.add(message)
    outbox.apply(fail(message, NOW, some_error("spent")))
    event = "evt_0123456789abcdef0123456789abcdef"
    about = (failed.lead_id, event, "keitaro", "leadleader", "web", 5, "issued", "sale", NOW)
    postback = Postback(*about, state=PostbackState.FAILED)
    aws.dynamodb().put_item(TableName=TABLE, Item=encode(postback_item(postback)))
    incomplete = lead(4).model_copy(
        update={"partners": (), "problems": (FieldError("person.phone", FieldCode.NOT_A_PHONE),)}
    )
    terminal.store.accept(incomplete, phone_hash=None)
    limited, spent = lead(5), lead(6)
    for one, code in ((limited, ErrorCode.RATE_LIMITED), (spent, ErrorCode.UNAVAILABLE)):
        terminal.store.accept(one, phone_hash=None)
        waiting = terminal.store.delivery(one.lead_id, "leadleader")
        assert waiting is not None
        terminal.store.apply(steps.fail(waiting, NOW, some_error("spent", code)))
    put_dead_letter(
        "submit-leadleader", {"lead_id": spent.lead_id, "partner": "leadleader", "step": "submit", "reason": "spent"}
    )
    put_dead_letter("messages", {"lead_id": failed.lead_id, "message_id": "x", "step": "send", "reason": "spent"})
    letters = {
        each["queue"]: each["dead_letter_id"] for each in terminal.run("dlq", "list", "--json").json["dead_letters"]
    }
    person = partners.post("leeloo/people", {"name": "Ольга", "phone": "+380501234567", "accounts": ["TELEGRAM"]})
    company = partners.get("leeloo/company")
    return {
        "LEAD": terminal.accepted.lead_id,
        "GROUP": "failed.leadleader.rate_limited",
        "FAILED": failed.lead_id,
        "UNKNOWN": unknown.lead_id,
        "INCOMPLETE": incomplete.lead_id,
        "EVENT": event,
        "MESSAGE": message.message_id,
        "LETTER": letters["submit-leadleader"],
        "DISCARDED": letters["messages"],
        "PERSON": person["id"],
        "ACCOUNT": person["accounts"][0]["account_id"],
        "TAG": company["tags"][0]["id"],
        "CATEGORY": company["categories"][0]["id"],
    }


def test_every_command_in_the_document_does_what_it_says(terminal: Terminal, values: dict[str, str]) -> None:
    assert len(LINES) > 30
    for line in LINES:
        *before, last = [shlex.split(part) for part in line.removesuffix("| head -1").split("|")]
        assert last[0] == "leadbridge", line
        words = [re.sub(r"^\$(\w+)$", lambda found: values[found[1]], word) for word in last[1:]]
        said = terminal.run(*words, stdin=before[0][1] if before else None)
        assert (said.code, said.out != "") == (0, True), f"{line}: {said.err}"


def _commands(of: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if not hasattr(of, "commands") or path[:2] == ("partners", "leeloo"):
        yield path
        return
    for name, command in of.commands.items():
        yield from _commands(command, (*path, name))


def test_every_command_is_in_the_document() -> None:
    found = [" ".join(path) for path in _commands(typer.main.get_command(app))]
    assert len(found) > 15
    assert [name for name in found if name not in DOCS] == []


def test_every_exit_code_is_in_the_document() -> None:
    assert [int(code) for code in re.findall(r"^\| ([0-9]) \|", DOCS, re.MULTILINE)] == [*Code]


def test_every_command_answers_in_json_and_tells_where_it_failed() -> None:
    def options(of: Any) -> set[str]:
        return {name for each in of.params for name in each.opts}

    all_commands = typer.main.get_command(app)
    for path in _commands(all_commands):
        command: Any = all_commands
        for name in path:
            command = command.commands[name]
        if path[:2] != ("partners", "leeloo"):
            assert {"--json", "--debug"} <= options(command), path
