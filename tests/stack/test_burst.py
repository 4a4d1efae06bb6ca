"""Many leads at once. It runs near the end, because its messages occupy the queues for a while."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from urllib3.exceptions import HTTPError

from devstack.commands.api import Operator
from devstack.sandbox.remote import Remote
from quality.testkit.deployed import Form, at_the_partner, eventually, person

BURST = int(os.environ.get("BURST", "40"))  # leads; every night more

pytestmark = pytest.mark.final(1)


def delivered(form: Form, lead: dict[str, Any]) -> str:
    """Post a lead as form builders do: again, under the same id, where no answer comes."""
    message_id = f"msg_burst_{lead['person']['phone']}"
    for _ in range(4):
        with suppress(HTTPError):
            answer = form.post(lead, message_id)
            if answer.status in {200, 202}:
                return str(answer.content["lead_id"])
    raise AssertionError(f"{message_id} was not taken")


def test_burst_of_leads_arrives_at_the_partner_exactly_once(form: Form, operator: Operator, partner: Remote) -> None:
    asked = [person() for _ in range(BURST)]
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda lead: delivered(form, lead), asked))
    assert len(set(ids)) == BURST
    wanted = {at_the_partner(lead) for lead in asked}

    def arrived() -> list[str]:
        calls = partner.calls("leadleader", "create")
        return [call["telephone"] for call in calls if call.get("deal_id") is not None and call["telephone"] in wanted]

    eventually(arrived, lambda phones: len(phones) >= BURST, patience=180)
    with ThreadPoolExecutor(4) as pool:
        states = list(pool.map(lambda lead_id: operator.lead(lead_id)["deliveries"]["leadleader"]["state"], ids))
    assert set(states) <= {"submitting", "submitted", "closed"}
    assert sorted(arrived()) == sorted(wanted)
