"""`inbox …` over the real handlers: an operator clears a group at the terminal."""

from typing import Any

import pytest

from leadbridge.domain.clock import utc_now
from leadbridge.domain.delivery import State, mark_unknown, start_attempt
from leadbridge.services.inbox.retry_group import GroupRetrier, RetriedGroup
from quality.testkit.cli.terminal import LEAD, MINUTE, Terminal, put_dead_letter
from quality.testkit.fakes.errors import some_error

pytestmark = pytest.mark.usefixtures("queues")

ID = LEAD.lead_id


def only_group(terminal: Terminal) -> str:
    [group] = terminal.run("inbox", "list", "--json").json["groups"]
    return str(group["key"])


def state(terminal: Terminal) -> State:
    return terminal.delivery.state


def test_a_group_is_listed_taken_noted_and_retried(terminal: Terminal) -> None:
    terminal.bring(State.FAILED)
    put_dead_letter("submit-leadleader", {"lead_id": ID, "partner": "leadleader", "step": "submit", "reason": "spent"})
    key = only_group(terminal)
    assert key.startswith("failed.leadleader.")
    assert terminal.run("inbox", "take", key).code == 0
    assert terminal.run("inbox", "note", key, "asked their support").code == 0
    listed = terminal.run("inbox", "list").out
    assert all(part in listed for part in (key, "olena", "asked their support"))
    shown = terminal.run("inbox", "show", key, "--json").json
    assert [lead["lead_id"] for lead in shown["leads"]] == [ID]
    told = terminal.run("inbox", "show", key).out
    assert key in told, "no id is broken"
    assert str(LEAD.person.phone) not in told
    done = terminal.run("inbox", "retry", key, "--yes", "--json").json
    assert done == {"group": key, "retried": 1, "kept": [], "has_more": False}
    assert state(terminal) is State.RECEIVED
    assert terminal.run("inbox", "list", "--json").json == {"groups": []}
    empty = terminal.run("inbox", "list")
    assert (empty.code, empty.err) == (0, "Nothing needs a person.\n")
    assert terminal.run("inbox", "retry", key, "--yes").code == 3


def test_leads_that_the_partner_may_have_are_retried_only_after_a_confirmation(terminal: Terminal) -> None:
    terminal.bring(State.UNKNOWN)
    key = only_group(terminal)
    refused = terminal.run("inbox", "retry", key, "--yes")
    assert (refused.code, "--even-if-twice" in refused.failure) == (4, True)
    assert terminal.run("inbox", "retry", key, "--even-if-twice").code == 2, "no terminal to confirm it"
    assert state(terminal) is State.UNKNOWN
    assert terminal.run("inbox", "retry", key, "--even-if-twice", "--yes", "--json").json["retried"] == 1
    assert state(terminal) is State.RECEIVED


def test_a_retry_repeats_its_call_for_what_was_there_at_its_confirmation(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API has more leads after the first call; the one that was sent is lost again before the next call."""
    terminal.bring(State.UNKNOWN)
    key, ends = only_group(terminal), iter((1, 0))

    def retry(self: GroupRetrier, *arguments: Any, **options: Any) -> RetriedGroup:
        done = original(self, *arguments, **options)
        if done.retried:
            begun = terminal.store.apply(start_attempt(terminal.delivery, utc_now(), MINUTE))
            terminal.store.apply(mark_unknown(begun, utc_now(), some_error("lost")))
        done.has_more = True
        assert done.retried == next(ends)
        return done

    original = GroupRetrier.retry
    monkeypatch.setattr(GroupRetrier, "retry", retry)
    done = terminal.run("inbox", "retry", key, "--even-if-twice", "--yes", "--json")
    assert (done.code, done.json["retried"], done.json["has_more"]) == (0, 1, True)
    assert "Solve the newer ones first" in done.err
    assert next(ends, None) is None, "both calls were made"


def test_a_snoozed_group_is_hidden_until_it_wakes(terminal: Terminal) -> None:
    terminal.bring(State.FAILED)
    key = only_group(terminal)
    assert terminal.run("inbox", "snooze", key, "--for", "4h").code == 0
    assert terminal.run("inbox", "list", "--json").json == {"groups": []}
    assert "Use --snoozed" in terminal.run("inbox", "list").err
    assert len(terminal.run("inbox", "list", "--snoozed", "--json").json["groups"]) == 1
    assert terminal.run("inbox", "snooze", key, "--wake").code == 0
    assert only_group(terminal) == key


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("snooze", "KEY"), 2),
        (("snooze", "KEY", "--for", "tomorrow"), 2),
        (("snooze", "KEY", "--for", "31d"), 2),
        (("snooze", "KEY", "--for", "1d", "--wake"), 2),
        (("note", "KEY", "call 067 123 45 09"), 2),
        (("show", "failed.leadleader.capped"), 3),
        (("take", "nonsense"), 3),
    ],
)
def test_what_is_not_valid_changes_nothing(terminal: Terminal, arguments: tuple[str, ...], code: int) -> None:
    terminal.bring(State.FAILED)
    key = only_group(terminal)
    assert terminal.run("inbox", *(key if one == "KEY" else one for one in arguments)).code == code
    [group] = terminal.run("inbox", "list", "--json").json["groups"]
    assert group["changes"] == []
