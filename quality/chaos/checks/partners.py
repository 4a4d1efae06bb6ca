"""What partners have is what our deliveries say they have: each lead once, and nothing that nobody knows of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from leadbridge.domain.clock import from_text
from leadbridge.domain.delivery import Delivery, State
from quality.chaos.checks.history import History
from quality.chaos.partner_faults import REFUSED_STATUS
from quality.chaos.reconciliation import Books, File, check

LENDER, BROKER = "leadleader", "matchtrade"
THERE = frozenset({State.SUBMITTED, State.CLOSED})
WRITTEN = frozenset({"submitted", "rejected"})  # timeline entries that hold a partner's clear answer
CLOCKS_DIFFER = timedelta(seconds=1)  # between the partner's log and the timeline


@check
def no_lead_is_created_twice(books: Books) -> Iterator[tuple[str, str]]:
    """A partner's log has one create for each lead that was attempted, and one more for each time a person asked."""
    made: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for call in books.calls:
        if call["operation"] != "create":
            continue
        if call["partner"] == LENDER and call.get("deal_id") is not None:
            made[LENDER, tuple(books.leads_of(phone=call["telephone"]))] += 1
        if call["partner"] == BROKER and call.get("account_uuid") is not None:
            made[BROKER, tuple(books.leads_of(email=call["email"]))] += 1
    for (partner, lead_ids), number in made.items():
        allowed = sum(_may_be_created(books, lead_id, partner) for lead_id in lead_ids)
        if number > allowed:
            yield ", ".join(lead_ids) or partner, f"{partner} made {number} of what may be {allowed}"


@check
def answers_are_written_down(books: Books) -> Iterator[tuple[str, str]]:
    """No delivery is unknown although the partner answered the last create clearly, and a worker received the answer.

    A dead letter may hold the answer until somebody puts it back.
    """
    calls = {(call["partner"], call["number"]): call for call in books.calls}
    held = {(letter.lead_id, letter.partner) for letter in books.letters if letter.step == "record_answer"}
    last = {(one.lead_id, one.partner): one for one in sorted(books.creates, key=lambda one: one.number)}
    for (lead_id, partner), create in last.items():
        file = books.files.get(lead_id)
        delivery = None if file is None else file.deliveries.get(partner)
        if file is None or delivery is None or delivery.state is not State.UNKNOWN or delivery.is_erased:
            continue
        call = calls.get((partner, create.number), {})
        says = _clear_answer(call)
        if says is not None and "at" in call and _is_written_down(file, partner, call):
            continue  # and the worker of a later attempt died before its create call
        if create.is_heard and says is not None and (lead_id, partner) not in held:
            yield lead_id, f"is unknown at {partner}, which said: {says}"


@check
def submitted_leads_are_at_the_partner(books: Books) -> Iterator[tuple[str, str]]:
    """Every delivery that is submitted or closed names a deal or an account that is there, and is that lead's."""
    deals = {deal["deal_id"]: deal for deal in books.deals}
    accounts = {account["uuid"]: account for account in books.accounts}
    for lead_id, delivery in _deliveries(books, LENDER):
        if delivery.state not in THERE or delivery.is_erased:
            continue
        deal = deals.get(delivery.deal_id)
        if deal is None:
            yield lead_id, f"is {delivery.state} as deal {delivery.deal_id}, which {LENDER} does not have"
        elif lead_id not in books.leads_of(phone=deal["clientInfo"]["telephone"]):
            yield lead_id, f"is {delivery.state} as deal {delivery.deal_id}, which is another person's"
    for lead_id, delivery in _deliveries(books, BROKER):
        if delivery.state not in THERE or delivery.is_erased:
            continue
        account = accounts.get(delivery.account_uuid or "")
        if account is None:
            yield lead_id, f"is {delivery.state} as account {delivery.account_uuid}, which {BROKER} does not have"
        elif lead_id not in books.leads_of(email=account["email"]):
            yield lead_id, f"is {delivery.state} as account {delivery.account_uuid}, which is another person's"


@check
def whatever_partners_have_is_known(books: Books) -> Iterator[tuple[str, str]]:
    """Every deal and account is some delivery's own, or its lead is unknown, erased, or sent again by a person."""
    known = {(LENDER, delivery.deal_id) for _, delivery in _deliveries(books, LENDER)}
    known_accounts = {(BROKER, delivery.account_uuid) for _, delivery in _deliveries(books, BROKER)}
    for deal in books.deals:
        lead_ids = books.leads_of(phone=deal["clientInfo"]["telephone"])
        if (LENDER, deal["deal_id"]) not in known and not any(_is_in_doubt(books, one, LENDER) for one in lead_ids):
            yield ", ".join(lead_ids) or "nobody", f"deal {deal['deal_id']} is no delivery's"
    for account in books.accounts:
        if account.get("origin") != "registered":
            continue
        lead_ids = books.leads_of(email=account["email"])
        if (BROKER, account["uuid"]) not in known_accounts and not any(
            _is_in_doubt(books, one, BROKER) for one in lead_ids
        ):
            yield ", ".join(lead_ids) or "nobody", f"account {account['uuid']} is no delivery's"


@check
def the_last_status_is_known(books: Books) -> Iterator[tuple[str, str]]:
    """What a partner says of a deal or an account in the end is what its delivery says."""
    deals = {deal["deal_id"]: deal["status"] for deal in books.deals}
    accounts = {account["uuid"]: account.get("leadStatus") for account in books.accounts}
    for lead_id, delivery in [*_deliveries(books, LENDER), *_deliveries(books, BROKER)]:
        there = deals.get(delivery.deal_id) if delivery.partner == LENDER else accounts.get(delivery.account_uuid or "")
        if delivery.state in THERE and there is not None and there != delivery.partner_status:
            yield lead_id, f"is {delivery.partner_status} to us and {there} to {delivery.partner}"


def _clear_answer(call: Mapping[str, Any]) -> str | None:
    """What a partner said to a create call, if it said so clearly."""
    if call.get("fault") is not None:
        return "refused" if call["status"] == REFUSED_STATUS else None
    created = call.get("deal_id") or call.get("account_uuid")
    return f"created {created}" if created is not None and call.get("outcome") == "answered" else None


def _is_written_down(file: File, partner: str, call: Mapping[str, Any]) -> bool:
    """Whether the timeline has the answer to a create call."""
    called_at = from_text(call["at"]) - CLOCKS_DIFFER
    return any(
        step.partner == partner and step.what in WRITTEN and step.at >= called_at for step in file.steps.values()
    )


def _deliveries(books: Books, partner: str) -> list[tuple[str, Delivery]]:
    return [(lead_id, file.deliveries[partner]) for lead_id, file in books.files.items() if partner in file.deliveries]


def _may_be_created(books: Books, lead_id: str, partner: str) -> int:
    """Once if it was attempted, and once more each time a person had it sent though it might be there."""
    file = books.files.get(lead_id)
    if file is None or partner not in file.deliveries or not file.deliveries[partner].attempts:
        return 0
    return 1 + History.of(file.steps, partner).permissions()


def _is_in_doubt(books: Books, lead_id: str, partner: str) -> bool:
    file = books.files.get(lead_id)
    if file is None or partner not in file.deliveries:
        return False
    delivery = file.deliveries[partner]
    asked = History.of(file.steps, partner).permissions()
    return delivery.state is State.UNKNOWN or delivery.is_erased or asked > 0
