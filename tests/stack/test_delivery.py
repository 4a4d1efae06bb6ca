"""A form's lead becomes a deal: the deployed template, over HTTP, with the partner as it is and as it fails."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from urllib3.exceptions import HTTPError

from devstack.commands.api import Answer, Operator
from devstack.sandbox.remote import Remote
from devstack.stack import Stack
from quality.testkit.deployed import Form, accepted, at_the_partner, creates, deals, eventually, person


def state(lead: dict[str, Any]) -> str:
    return str(lead["deliveries"]["leadleader"]["state"])


def follow(operator: Operator, lead_id: str, *states: str, patience: float = 60.0) -> dict[str, Any]:
    """Wait until the lead's delivery is in one of the states; return the lead."""
    return eventually(lambda: operator.lead(lead_id), lambda lead: state(lead) in states, patience=patience)


def test_a_lead_becomes_a_deal_and_its_status_is_followed_to_the_end(
    form: Form, operator: Operator, partner: Remote
) -> None:
    asked = person()
    asked["loan"]["amount"] = "12345.67"
    lead = follow(operator, accepted(form.post(asked)), "closed")
    steps = [(entry["what"], entry["detail"]) for entry in lead["timeline"] if entry["partner"] != "leeloo"]
    deal_id = lead["deliveries"]["leadleader"]["deal_id"]
    assert steps[:3] == [("received", None), ("submitting", "attempt 1"), ("submitted", f"deal {deal_id}")]
    assert steps[-1] == ("status_changed", "Видано")
    assert lead["deliveries"]["leadleader"]["outcome"] == "issued"
    [create] = creates(partner, asked)
    assert (create["summa"], create["termin"], create["deal_id"]) == ("12345.67", 12, deal_id)
    assert create["clientInfo"]["PIB"] == asked["person"]["full_name"]


def posted(form: Form, lead: dict[str, Any], message_id: str) -> Answer:
    """Post a lead as form builders do: again, under the same id, if no answer arrives."""
    for _ in range(3):
        with suppress(HTTPError):
            return form.post(lead, message_id)
    raise AssertionError(f"{message_id} was not answered")


def test_ten_redeliveries_at_once_are_one_lead_and_one_deal(form: Form, operator: Operator, partner: Remote) -> None:
    asked = person()
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda _: posted(form, asked, "msg_ten_" + asked["person"]["phone"]), range(10)))
    statuses = [answer.status for answer in answers]
    assert set(statuses) <= {200, 202}
    assert statuses.count(202) <= 1  # none if its answer came too late
    [lead_id] = {answer.content["lead_id"] for answer in answers}
    follow(operator, lead_id, "closed")
    assert len(deals(partner, asked)) == len(creates(partner, asked)) == 1


def test_a_partner_that_is_down_for_a_while_gets_the_lead_when_it_is_back(
    form: Form, operator: Operator, partner: Remote
) -> None:
    partner.arm("leadleader", "authorize", {"kind": "drop", "when": "before"}, times=None)
    asked = person()
    lead_id = accepted(form.post(asked))
    tried = eventually(lambda: operator.lead(lead_id), lambda lead: lead["deliveries"]["leadleader"]["attempts"] >= 2)
    assert state(tried) == "received"
    assert tried["deliveries"]["leadleader"]["last_error_code"] == "reply_lost"
    partner.disarm()
    follow(operator, lead_id, "submitted", "closed")
    assert len(deals(partner, asked)) == 1


def test_a_lost_reply_leaves_an_unknown_that_is_never_resent(form: Form, operator: Operator, partner: Remote) -> None:
    asked = person()
    match = {"clientInfo.telephone": at_the_partner(asked)}
    partner.arm("leadleader", "create", {"kind": "drop", "when": "after"}, match=match)
    lead_id = accepted(form.post(asked))
    follow(operator, lead_id, "unknown")
    # Another lead goes all its way meanwhile, so whatever would have sent this one again has had its time.
    follow(operator, accepted(form.post(person())), "closed")
    assert state(operator.lead(lead_id)) == "unknown"
    assert len(creates(partner, asked)) == 1


def test_a_slow_partner_is_waited_for_as_long_as_agreed_and_then_unknown(
    form: Form, operator: Operator, partner: Remote
) -> None:
    asked = person()
    match = {"clientInfo.telephone": at_the_partner(asked)}
    partner.arm("leadleader", "create", {"kind": "delay", "seconds": 20, "when": "after"}, match=match)
    lead = follow(operator, accepted(form.post(asked)), "unknown")
    assert "ReadTimeout" in lead["deliveries"]["leadleader"]["last_error"]


def test_a_lead_that_the_partner_refuses_is_rejected_in_our_own_words(
    form: Form, operator: Operator, partner: Remote
) -> None:
    asked = person()
    match = {"clientInfo.telephone": at_the_partner(asked)}
    refusal = {"kind": "answer", "status": 400, "body": {"clientInfo": {"stateCode": ["Некоректний ІНН: 3068208400"]}}}
    partner.arm("leadleader", "create", refusal, match=match)
    lead = follow(operator, accepted(form.post(asked)), "rejected")
    rejected = lead["deliveries"]["leadleader"]
    assert rejected["last_error_code"] == "tax_number_invalid"
    assert rejected["last_error_data"] == {"http_status": 400, "fields": ["tax_number"]}
    assert "3068208400" not in rejected["last_error"]


def test_a_partner_that_limits_the_rate_is_obeyed(form: Form, operator: Operator, partner: Remote) -> None:
    asked = person()
    match = {"clientInfo.telephone": at_the_partner(asked)}
    partner.arm("leadleader", "create", {"kind": "rate_limit", "retry_after": 3}, match=match)
    lead_id = accepted(form.post(asked))
    follow(operator, lead_id, "submitted", "closed")
    first, second = creates(partner, asked)
    assert second["at"] > first["at"]
    lead = operator.lead(lead_id)
    times = {entry["what"]: entry["at"] for entry in lead["timeline"]}
    assert times["submitted"] >= times["attempt_failed"]
    assert len(deals(partner, asked)) == 1


def workers(stack: Stack, flow: str) -> Iterator[int]:
    """The processes in which the emulator runs a function of this stack."""
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes()
            ours = entry.name.isdigit() and f"-{stack.stack_name}-{flow}-".encode() in command
            if ours and descends(int(entry.name), stack.pid):
                yield int(entry.name)
        except OSError:
            continue


def descends(pid: int, ancestor: int) -> bool:
    """Whether a process was started by another, directly or not."""
    while pid > 1:
        if pid == ancestor:
            return True
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the emulator's workers in /proc")
def test_a_worker_killed_in_the_middle_of_a_create_leaves_an_unknown(
    stack: Stack, form: Form, operator: Operator, partner: Remote
) -> None:
    asked = person()
    match = {"clientInfo.telephone": at_the_partner(asked)}
    partner.arm("leadleader", "create", {"kind": "delay", "seconds": 3, "when": "before"}, match=match)
    lead_id = accepted(form.post(asked))
    eventually(lambda: creates(partner, asked), lambda calls: len(calls) == 1)
    for pid in workers(stack, "submit-lead"):
        os.kill(pid, signal.SIGKILL)
    lead = follow(operator, lead_id, "unknown")
    assert lead["deliveries"]["leadleader"]["last_error_code"] == "worker_lost"
    follow(operator, accepted(form.post(person())), "submitted", "closed")
    assert len(creates(partner, asked)) == 1
