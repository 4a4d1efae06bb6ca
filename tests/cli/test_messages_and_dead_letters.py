"""`message send`, `stats`, `dlq …` over the real handlers."""

import pytest

from leadbridge.domain.delivery import State
from leadbridge.domain.feedback.postback import Postback
from leadbridge.domain.feedback.states import PostbackState
from leadbridge.domain.message import fail, operator_message
from leadbridge.runtime import aws
from leadbridge.storage.feedback.postbacks import postback_item
from leadbridge.storage.messages import MessageRepository
from leadbridge.storage.table import Table
from leadbridge.storage.writes import put
from quality.testkit.cli.terminal import LEAD, Terminal, put_dead_letter
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE
from quality.testkit.people import NOW

pytestmark = pytest.mark.usefixtures("queues")

ID = LEAD.lead_id


def note(terminal: Terminal) -> str:
    """A delivery that has failed, and the letter that says so; its id."""
    terminal.bring(State.FAILED)
    put_dead_letter("submit-leadleader", {"lead_id": ID, "partner": "leadleader", "step": "submit", "reason": "spent"})
    [letter] = terminal.run("dlq", "list", "--json").json["dead_letters"]
    return str(letter["dead_letter_id"])


def test_a_message_is_kept_for_sending(terminal: Terminal) -> None:
    said = terminal.run(
        "message", "send", "--lead", ID, "--template", "t1", "--variable", "a=b=c", "--yes", "--json"
    ).json
    message = MessageRepository(Table(aws.dynamodb(), TABLE)).message(ID, said["message_id"])
    assert message is not None
    assert (message.template_id, dict(message.variables)) == ("t1", {"a": "b=c"})
    assert said["status"] == "pending"


def test_a_text_may_come_from_stdin(terminal: Terminal) -> None:
    said = terminal.run("message", "send", "--lead", ID, "--text", "-", "--yes", "--json", stdin="Вітаємо!\n").json
    message = MessageRepository(Table(aws.dynamodb(), TABLE)).message(ID, said["message_id"])
    assert message is not None
    assert message.text == "Вітаємо!"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--lead", ID, "--text", "x"), 2),  # nobody to ask
        (("--lead", ID, "--yes"), 2),
        (("--text", "x", "--yes"), 2),
        (("--lead", ID, "--account", "a", "--text", "x", "--yes"), 2),
        (("--lead", ID, "--text", "x", "--template", "t", "--yes"), 2),
        (("--lead", ID, "--template", "t", "--variable", "x", "--yes"), 2),
        (("--lead", ID, "--template", "t", "--variable", "x=1", "--variable", "x=2", "--yes"), 2),
        (("--lead", ID, "--text", " ", "--yes"), 2),
        (("--lead", "nonsense", "--text", "x", "--yes"), 2),
        (("--lead", "ld_" + "a" * 26, "--text", "x", "--yes"), 3),
    ],
)
def test_what_cannot_be_sent_is_not(terminal: Terminal, arguments: tuple[str, ...], code: int) -> None:
    assert terminal.run("message", "send", *arguments).code == code


def test_messages_are_listed_and_a_failed_one_is_retried(terminal: Terminal) -> None:
    outbox = MessageRepository(Table(aws.dynamodb(), TABLE))
    sent_on = operator_message(ID, NOW, "x", account_id=None, template_id=None, text="Вітаємо!", variables={})
    outbox.add(sent_on)
    assert terminal.run("message", "list", ID, "--state", "failed", "--json").json["messages"] == []
    assert terminal.run("message", "retry", ID, sent_on.message_id).code == 4
    outbox.apply(fail(sent_on, NOW, some_error("spent")))
    [listed] = terminal.run("message", "list", ID, "--state", "failed", "--json").json["messages"]
    assert (listed["message_id"], "text" in listed) == (sent_on.message_id, False)
    assert sent_on.message_id in terminal.run("message", "list", ID).out
    assert terminal.run("message", "retry", ID, sent_on.message_id, "--json").json["status"] == "pending"
    assert terminal.run("message", "retry", ID, "nothing").code == 3


def test_stats_count(terminal: Terminal) -> None:
    figures = terminal.run("stats", "--from", "2026-03-01", "--to", "2026-03-02", "--json").json
    assert figures["from"] == "2026-03-01"
    drawn = terminal.run("stats")
    assert (drawn.code, "leads" in drawn.out) == (0, True)
    assert terminal.run("stats", "--from", "yesterday").code == 2
    assert terminal.run("stats", "--from", "2026-03-02", "--to", "2026-03-01").code == 2


def test_a_letter_is_listed_and_put_back_once(terminal: Terminal) -> None:
    dead_letter_id = note(terminal)
    assert "spent" in terminal.run("dlq", "list").out
    assert terminal.run("dlq", "list", "--queue", "checks", "--json").json == {"dead_letters": []}
    assert terminal.run("dlq", "list", "--queue", "checks").err == "No dead letters.\n"
    done = terminal.run("dlq", "redrive", "submit-leadleader", dead_letter_id, "--json").json
    assert done == {"queue": "submit-leadleader", "redriven": 1, "kept": [], "obsolete": []}
    assert terminal.delivery.state is State.RECEIVED
    assert terminal.run("dlq", "redrive", "submit-leadleader", dead_letter_id).code == 3


def test_letter_that_stays_is_named_with_its_code(terminal: Terminal) -> None:
    put_dead_letter("checks", "nonsense")
    put_dead_letter("checks", {"lead_id": ID, "message_id": "2026#gone", "step": "send", "reason": "x"})
    done = terminal.run("dlq", "redrive", "checks", "--all", "--json").json
    assert done["redriven"] == 0
    assert [one["code"] for one in done["kept"]] == ["dead_letter_invalid"]
    assert [one["code"] for one in done["obsolete"]] == ["lead_not_found"]
    assert "dead_letter_invalid" in terminal.run("dlq", "redrive", "checks", done["kept"][0]["dead_letter_id"]).out


def test_all_letters_of_a_queue_are_put_back(terminal: Terminal) -> None:
    for number in range(3):
        put_dead_letter("checks", {"lead_id": ID, "partner": "leadleader", "number": number})
    assert terminal.run("dlq", "redrive", "checks", "--all", "--json").json["redriven"] == 3
    assert terminal.run("dlq", "redrive", "checks", "--all", "--json").json["redriven"] == 0


def test_a_letter_is_discarded_only_by_who_says_so(terminal: Terminal) -> None:
    dead_letter_id = note(terminal)
    assert terminal.run("dlq", "discard", "submit-leadleader", dead_letter_id).code == 2
    assert terminal.run("dlq", "discard", "submit-leadleader", dead_letter_id, "--yes", "--json").json["discarded"] == 1
    assert terminal.run("dlq", "discard", "submit-leadleader", dead_letter_id, "--yes").code == 3
    assert terminal.delivery.state is State.FAILED


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("redrive", "nowhere", "--all"), 3),
        (("redrive", "checks"), 2),
        (("redrive", "checks", "x", "--all"), 2),
        (("discard", "..", "x", "--yes"), 3),
        (("discard", "checks", "not an id", "--yes"), 2),
    ],
)
def test_letters_that_cannot_be_meant(terminal: Terminal, arguments: tuple[str, ...], code: int) -> None:
    assert terminal.run("dlq", *arguments).code == code


@pytest.mark.parametrize(
    "arguments",
    [
        ("message", "send", "--lead", ID, "--text", "x", "--yes"),
        ("stats",),
        ("dlq", "list"),
        ("dlq", "redrive", "checks", "--all"),
        ("dlq", "discard", "checks", "x", "--yes"),
    ],
)
def test_a_wrong_token_is_a_1(terminal: Terminal, arguments: tuple[str, ...]) -> None:
    assert terminal.run(*arguments, token="wrong").code == 1


def test_postbacks_are_listed_and_sent_again(terminal: Terminal) -> None:
    event_id = "evt_" + "0" * 32
    table = Table(aws.dynamodb(), TABLE)
    failed = Postback(
        ID, event_id, "keitaro", "leadleader", "web", 3, "issued", "sale", NOW, state=PostbackState.FAILED
    )
    table.write(put(postback_item(failed)))
    [listed] = terminal.run("feedback", "list", ID, "--json").json["feedback"]
    assert (listed["event_id"], listed["state"]) == (event_id, "failed")
    assert "keitaro" in terminal.run("feedback", "list", ID).out
    assert terminal.run("feedback", "resend", ID, event_id).code == 2  # nobody to ask
    assert terminal.run("feedback", "resend", ID, event_id, "--yes", "--json").json["state"] == "pending"
    assert terminal.run("feedback", "resend", ID, event_id, "--yes").code == 4  # it is being sent
    assert terminal.run("feedback", "resend", ID, "evt_1", "--yes").code == 3
