"""To whom a message is said: to the account that is known, found, made or invited."""

from dataclasses import replace
from datetime import timedelta

import pytest

from leadbridge.domain.errors import partner_errors
from leadbridge.domain.message import MessageState
from leadbridge.domain.recipient import Contact, Content, Recipient
from leadbridge.services.worker import LEASE_MARGIN, Outcome, Result
from quality.testkit.services.messages import (
    ACCOUNT,
    BY_SMS,
    FOR_GOOD,
    LEAD,
    NOT_SENT,
    Messenger,
    World,
    always,
    answers,
    fails,
    settings,
    world,
)

__all__ = ["world"]


def test_an_account_that_was_found_is_remembered_and_not_looked_for_again(world: World) -> None:
    world.visit(world.status("1"))
    assert world.outbox.contact(LEAD.lead_id) == Contact("acc-1", "person-1", "uk_UA")
    world.messenger.known = None
    world.visit(world.status("2"))
    assert world.messenger.asked == ["find", "send", "send"]
    assert [account_id for account_id, _ in world.messenger.sent] == ["acc-1", "acc-1"]


def test_who_is_not_found_is_made_known_once(world: World) -> None:
    world.messenger = Messenger(makes=Recipient("acc-new"))
    assert world.visit(world.status("1")).outcome is Outcome.SENT
    assert world.visit(world.status("2")).outcome is Outcome.SENT
    assert world.messenger.asked == ["find", "make", "send", "send"]
    assert world.outbox.contact(LEAD.lead_id) == Contact("acc-new")


def test_after_a_lost_reply_to_a_creation_the_person_is_looked_for_ever_more_rarely(world: World) -> None:
    """The claim of the creation lasts about a minute, and each look is two calls of Leeloo."""
    lost = answers(fails(partner_errors.Unknown))
    world.messenger = Messenger(makes=Recipient("acc-new"), on_make=lost, seconds_per_send=52.0)
    message, began = world.status("Погоджено"), world.time()
    result = world.visit(message)
    while result.retry_after:
        world.time.now += result.retry_after
        result = world.visit(message)
    assert result.outcome is Outcome.SENT
    assert world.messenger.asked.count("make") == 2
    assert world.messenger.asked.count("find") <= 20
    assert world.time() - began < timedelta(seconds=52) + LEASE_MARGIN + timedelta(seconds=15)


def test_who_is_neither_found_nor_made_has_no_channel(world: World) -> None:
    world.messenger = Messenger()
    message = world.status("Погоджено")
    assert world.visit(message) == Result(Outcome.NO_CHANNEL)
    assert world.timeline == [("message_no_channel", "Погоджено")]
    world.messenger.known = ACCOUNT
    assert world.visit(message) == Result(Outcome.NO_ACTION)
    assert world.visit(world.status("Очікує")).outcome is Outcome.SENT, "the next message looks anew"
    assert world.dead_letters == []


def test_an_operators_message_to_an_account_needs_no_search(world: World) -> None:
    message = world.by_hand("acc-9", account_id="acc-9", text="Вітаю, {name}!", variables={"name": "Ольго"})
    assert world.visit(message).outcome is Outcome.SENT
    assert world.messenger.asked == ["send"]
    assert world.messenger.sent == [("acc-9", Content(text="Вітаю, Ольго!"))]


def test_an_operators_message_to_a_lead_finds_the_account(world: World) -> None:
    assert world.visit(world.by_hand(template_id="t2", variables={"a": "b"})).outcome is Outcome.SENT
    assert world.messenger.sent == [("acc-1", Content(template_id="t2", variables={"a": "b"}))]


def test_an_invitation_by_sms_is_sent_once_and_waited_for(world: World) -> None:
    world.settings = settings(channel=BY_SMS)
    world.messenger = Messenger(invites=True)
    first, second = world.status("1"), world.status("2")
    for _ in range(12):
        visit = world.visit(first)
        assert visit.outcome is Outcome.WAITING
        assert visit.retry_after is not None
        assert world.visit(second).outcome is Outcome.WAITING
        world.time.now += visit.retry_after
    assert world.messenger.asked.count("invite") == 1
    world.messenger.known = ACCOUNT
    assert world.visit(first).outcome is Outcome.SENT
    assert world.visit(second).outcome is Outcome.SENT
    assert world.messenger.texts == ["Статус: 1.", "Статус: 2."]


@pytest.mark.parametrize("wait_for_sms", ["1h", "26h"])
def test_who_does_not_come_when_invited_has_no_channel_after_a_while(world: World, wait_for_sms: str) -> None:
    """However long the wait is: nothing went wrong, so there is nothing for an operator to do."""
    world.settings = settings(channel=BY_SMS | {"wait_for_sms": wait_for_sms})
    world.messenger = Messenger(invites=True)
    message = world.status("Погоджено")
    began, visit = world.time(), world.visit(message)
    while visit.retry_after is not None:
        world.time.now += visit.retry_after
        visit = world.visit(message)
    assert visit == Result(Outcome.NO_CHANNEL)
    wait = world.settings.channel.wait_for_sms
    assert wait <= world.time() - began <= wait + timedelta(hours=1)
    assert world.dead_letters == []
    assert world.visit(world.status("Очікує")) == Result(Outcome.NO_CHANNEL), "and nobody is asked twice"
    assert world.messenger.asked.count("invite") == 1


def test_an_invitation_after_trouble_is_waited_for_in_full(world: World) -> None:
    world.settings = settings(channel=BY_SMS)
    world.messenger = Messenger(invites=True, on_find=answers(*[fails(partner_errors.Unavailable)] * 12))
    message = world.status("Погоджено")
    visit = world.visit(message)
    while visit.retry_after is not None:
        world.time.now += visit.retry_after
        visit = world.visit(message)
    assert visit == Result(Outcome.NO_CHANNEL)
    assert world.dead_letters == []


@pytest.mark.parametrize("error", NOT_SENT)
def test_an_invitation_that_definitely_was_not_sent_is_sent_later(
    world: World, error: type[partner_errors.PartnerError]
) -> None:
    world.settings = settings(channel=BY_SMS)
    world.messenger = Messenger(invites=True, comes_when_invited=True, on_invite=answers(fails(error)))
    message = world.status("Погоджено")
    assert world.visit(message).outcome is Outcome.RETRIED
    world.rounds(message)
    assert world.state(message) is MessageState.SENT
    assert world.messenger.asked.count("invite") == 2


def test_an_unknown_invitation_is_not_sent_again(world: World) -> None:
    world.settings = settings(channel=BY_SMS)
    world.messenger = Messenger(invites=True, on_invite=always(fails(partner_errors.Unknown)))
    message = world.status("Погоджено")
    world.rounds(message)
    assert world.messenger.asked.count("invite") == 1
    assert world.state(message) is MessageState.NO_CHANNEL


@pytest.mark.parametrize("error", [None, *FOR_GOOD])
def test_who_was_not_invited_after_all_is_not_waited_for(
    world: World, error: type[partner_errors.PartnerError] | None
) -> None:
    """Somebody without a phone, or settings that are wrong: the second message is no other than the first."""
    world.settings = settings(channel=BY_SMS)
    world.messenger = Messenger(invites=False, on_invite=iter([fails(error)] * 2 if error else []))
    first = world.visit(world.status("1"))
    assert first.outcome is (Outcome.FAILED if error else Outcome.NO_CHANNEL)
    assert world.visit(world.status("2")).outcome is first.outcome


def test_an_account_that_leeloo_no_longer_takes_is_looked_for_once_more(world: World) -> None:
    world.messenger = Messenger(known=ACCOUNT, on_send=answers(fails(partner_errors.Rejected)))
    world.outbox.remember(LEAD.lead_id, Contact("an account of last year"))
    message = world.status("Погоджено")
    visit = world.visit(message)
    assert visit.outcome is Outcome.RETRIED
    assert visit.retry_after is not None
    world.time.now += visit.retry_after
    assert world.visit(message).outcome is Outcome.SENT
    assert world.messenger.asked == ["send", "find", "send"]


def test_credentials_that_may_just_have_been_changed_are_tried_once_more(world: World) -> None:
    unsure = partner_errors.Misconfigured("leeloo", "call", "as the test wants", retry_after=5.0, certain=False)
    world.messenger = Messenger(known=ACCOUNT, on_find=answers(unsure))
    message = world.status("Погоджено")
    assert world.visit(message).outcome is Outcome.RETRIED
    world.time.pass_(minutes=1)
    assert world.visit(message).outcome is Outcome.SENT


def test_a_crm_note_creates_no_person_and_blocks_no_message(world: World) -> None:
    world.messenger = Messenger(makes=ACCOUNT)
    told = world.status("Погоджено")
    mirror = replace(told, message_id=f"{told.message_id}#crm_note", is_crm_note=True)
    assert world.outbox.add(mirror)
    assert world.visit(mirror).outcome is Outcome.SKIPPED
    assert world.messenger.asked == ["find"]
    assert world.visit(told).outcome is Outcome.SENT
