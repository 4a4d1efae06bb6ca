"""What the pages say to type at the stack that is up, typed."""

import json

import pytest

from devstack.stack import Stack
from devstack.workdir import Workdir
from quality.testkit.deployed import typed
from quality.testkit.documents import Command, commands

AT_A_STACK = {"up", "lead", "ask", "logs"}
# By their words: several pages have the same command.
TYPED = {
    tuple(one.words): one
    for one in commands()
    if one.is_whole and one.words[0] == "make" and one.words[1] in AT_A_STACK
    # A file that the page has written before: test_second_broker.py types the whole page.
    if not any(word.startswith("BODY=") for word in one.words)
}.values()


@pytest.mark.parametrize("command", TYPED, ids=str)
def test_a_documented_command_works_unchanged(workdir: Workdir, stack: Stack, command: Command) -> None:
    said = typed(workdir, *command.words)
    match command.words[1]:
        case "up":
            assert "The local stack was already up" in said
            assert stack.api_url in said
        case "lead":
            status, _, answer = said.partition(" ")
            assert status in {"200", "202"}
            assert json.loads(answer)["lead_id"].startswith("ld_")
        case "ask":
            assert "leads" in json.loads(said)
        case "logs":
            assert '"level":"INFO"' in said


def test_an_address_is_where_a_form_can_post(workdir: Workdir, stack: Stack) -> None:
    assert typed(workdir, "make", "webhook-url", "SOURCE=plain-credit").startswith(
        f"{stack.api_url}/webhooks/plain-credit?token="
    )
