"""What tells of people leaves the table after a time; what is counted stays."""

import json
import time
from typing import Any

import pytest

from leadbridge import aws
from leadbridge.leads.accounts import Accounts
from leadbridge.leads.figures import FigureBook
from leadbridge.leads.items import Entry, decode
from leadbridge.leads.kept_account import KeptAccount
from leadbridge.leads.leeloo_events import Inbox, LeelooEvent
from leadbridge.leads.message import about_status
from leadbridge.leads.outbox import Contact, Outbox
from leadbridge.leads.store import Store
from tests.people import NOW, lead
from tests.unit.conftest import TABLE

DAY = 86_400


def everything() -> list[dict[str, Any]]:
    pages = aws.dynamodb().get_paginator("scan").paginate(TableName=TABLE)
    return [decode(item) for page in pages for item in page["Items"]]


def test_all_that_tells_of_a_person_says_when_it_goes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETENTION_DAYS", "90")
    table, one = aws.dynamodb(), lead()
    store.accept(one, phone_hash="p", email_hash="e", tax_hash="t")
    store.note(one.lead_id, Entry(NOW, "message_requested", "leeloo", "by olena"), "x")
    outbox = Outbox(table, TABLE)
    outbox.add(about_status(one.lead_id, "leadleader", 4, "Видано", NOW))
    outbox.claim(one.lead_id, NOW, NOW, to_invite=True)
    outbox.remember(one.lead_id, Contact("acc1", "p1", "uk", None, NOW))
    Accounts(table, TABLE, "matchtrade", str).keep([KeptAccount("u-1", NOW, email="a@example.com")])
    for order, phone in (("o1", "+380500000001"), ("o2", "+380999999999")):
        content = {"type": "ORDER", "data": {"order_id": order, "phone": phone}}
        Inbox(table, TABLE, lambda _: "p", lambda: NOW).keep(LeelooEvent.of(content, json.dumps(content).encode()))
    kinds = {item["sk"].partition("#")[0] for item in everything()}
    assert kinds >= {"LEAD", "DELIVERY", "EVENT", "MESSAGE", "CONTACT", "ACCOUNT", "LEELOO"}
    for item in everything():
        assert abs(int(item["expires_at"]) - time.time() - 90 * DAY) < DAY, item["sk"]


def test_figures_stay(store: Store) -> None:
    FigureBook(aws.dynamodb(), TABLE).keep(NOW.date())
    assert [item for item in everything() if "expires_at" in item] == []
