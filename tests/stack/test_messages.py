"""People hear what became of their leads; operators can write to them; Leeloo's own events find their lead."""

import json
from functools import partial
from typing import Any

import pytest

from devstack.commands.api import Operator, ask
from devstack.sandbox.remote import Remote
from devstack.stack import Stack
from quality.testkit.deployed import Form, accepted, eventually, person

TOLD = {
    "В обробці": "Статус вашої заявки на кредит: В обробці.",
    "Погоджено": "Гарна новина: вашу заявку на 6000 грн погоджено.",
    "Видано": "Статус вашої заявки на кредит: Видано.",
}


def texts(partner: Remote, lead: dict[str, Any]) -> list[str]:
    """What the person has read, oldest first."""
    return [message["text"] for message in partner.rows("leeloo/messages", phone=lead["person"]["phone"])]


def closed(operator: Operator, lead_id: str) -> dict[str, Any]:
    return eventually(
        lambda: operator.lead(lead_id), lambda lead: lead["deliveries"]["leadleader"]["state"] == "closed"
    )


def walked(operator: Operator, partner: Remote, *lead_ids: str) -> list[dict[str, Any]]:
    """Lead deals through their statuses by hand, so that none is passed over however slow the machine is."""

    def delivery(lead_id: str) -> dict[str, Any]:
        found: dict[str, Any] = operator.lead(lead_id)["deliveries"]["leadleader"]
        return found

    deal_ids = {
        one: eventually(partial(delivery, one), lambda found: found["deal_id"] is not None)["deal_id"]
        for one in lead_ids
    }
    for status in ("В обробці", "Погоджено", "Видано"):
        for lead_id, deal_id in deal_ids.items():
            partner.post(f"leadleader/deals/{deal_id}", {"status": status})
            operator.post(f"/leads/{lead_id}/deliveries/leadleader/check")  # sooner than its schedule
        for lead_id in lead_ids:
            eventually(partial(delivery, lead_id), lambda found, status=status: found["partner_status"] == status)  # type: ignore[misc]
    return [operator.lead(lead_id) for lead_id in lead_ids]


def notified_statuses(lead: dict[str, Any]) -> list[str]:
    """The texts that a lead's journey asks for: every status after the first."""
    statuses = [entry["detail"] for entry in lead["timeline"] if entry["what"] == "status_changed"]
    return [TOLD[status] for status in statuses[1:]]


def test_a_person_gets_every_change_after_the_first_once_and_in_order(
    form: Form, operator: Operator, partner: Remote
) -> None:
    asked = person()
    (lead,) = walked(operator, partner, accepted(form.post(asked)))
    wanted = notified_statuses(lead)
    assert len(wanted) >= 2
    eventually(lambda: texts(partner, asked), lambda found: len(found) >= len(wanted))
    assert texts(partner, asked) == wanted
    sent = eventually(
        lambda: [e["detail"] for e in operator.lead(lead["lead_id"])["timeline"] if e["what"] == "message_sent"],
        lambda found: len(found) == len(wanted),
    )
    assert sent[-1] == "Видано"


def test_a_person_known_to_leeloo_is_written_to_in_their_preferred_messenger(
    form: Form, operator: Operator, partner: Remote
) -> None:
    asked = person()
    known = partner.post(
        "leeloo/people", {"name": "Олена", "phone": asked["person"]["phone"], "accounts": ["FACEBOOK", "TELEGRAM"]}
    )
    walked(operator, partner, accepted(form.post(asked)))
    found = eventually(
        lambda: partner.rows("leeloo/messages", phone=asked["person"]["phone"]), lambda messages: len(messages) > 0
    )
    assert {message["from"] for message in found} == {"TELEGRAM"}
    assert {message["person_id"] for message in found} == {known["id"]}


def test_a_rate_limited_leeloo_gets_every_message_later_and_once(
    form: Form, operator: Operator, partner: Remote
) -> None:
    partner.arm("leeloo", "send_message", {"kind": "rate_limit", "retry_after": None}, times=3)
    people = [person() for _ in range(3)]
    leads = walked(operator, partner, *[accepted(form.post(asked)) for asked in people])
    for asked, lead in zip(people, leads, strict=True):
        wanted = notified_statuses(lead)
        assert len(wanted) >= 2
        eventually(partial(texts, partner, asked), wanted.__eq__)
        assert texts(partner, asked) == wanted


def test_a_lost_reply_to_a_send_is_unknown_and_never_resent(form: Form, operator: Operator, partner: Remote) -> None:
    asked = person()
    known = partner.post(
        "leeloo/people", {"name": "Олена", "phone": asked["person"]["phone"], "accounts": ["TELEGRAM"]}
    )
    match = {"account_id": known["accounts"][0]["account_id"]}
    partner.arm("leeloo", "send_message", {"kind": "drop", "when": "after"}, match=match)
    lead_id = accepted(form.post(asked))
    (lead,) = walked(operator, partner, lead_id)
    whats = eventually(
        lambda: [e["what"] for e in operator.lead(lead_id)["timeline"] if e["what"].startswith("message_")],
        lambda found: len(found) == len(notified_statuses(lead)),
    )
    assert whats[0] == "message_unknown"
    assert "message_unknown" not in whats[1:]
    assert texts(partner, asked) == notified_statuses(lead)


def write(stack: Stack, body: dict[str, Any]) -> Any:
    headers = {"Authorization": f"Bearer {stack.operator_token}", "Content-Type": "application/json"}
    raw = json.dumps(body, ensure_ascii=False).encode()
    return ask("POST", f"{stack.api_url}/messages", headers=headers, body=raw)


def test_an_operator_writes_to_a_leads_person_and_to_an_account(
    stack: Stack, form: Form, operator: Operator, partner: Remote
) -> None:
    asked = person()
    known = partner.post(
        "leeloo/people", {"name": "Олена", "phone": asked["person"]["phone"], "accounts": ["TELEGRAM"]}
    )
    lead_id = accepted(form.post(asked))
    assert write(stack, {"lead_id": lead_id, "text": "Передзвоніть нам"}).status == 202
    eventually(lambda: texts(partner, asked), lambda found: "Передзвоніть нам" in found)
    requested = [e for e in operator.lead(lead_id)["timeline"] if e["what"] == "message_requested"]
    assert [entry["detail"] for entry in requested] == ["by local"]
    [account] = {message["account_id"] for message in partner.rows("leeloo/messages", phone=asked["person"]["phone"])}
    assert account in json.dumps(known)
    assert write(stack, {"account_id": account, "text": "І ще раз"}).status == 202
    eventually(lambda: texts(partner, asked), lambda found: "І ще раз" in found)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"lead_id": "ld_aaaaaaaaaaaaaaaaaaaaaaaaaa", "text": "x"}, 404),
        ({"text": "x"}, 422),
        ({"lead_id": "nobody", "text": "x"}, 422),
        ({"account_id": "a", "text": "x", "template_id": "t"}, 422),
        ({"account_id": "a", "text": "\ud800"}, 422),
        ({"account_id": "a", "text": "x", "colour": "blue"}, 422),
    ],
)
def test_a_message_that_cannot_be_sent_is_refused(stack: Stack, body: dict[str, Any], status: int) -> None:
    headers = {"Authorization": f"Bearer {stack.operator_token}"}
    raw = json.dumps(body).encode()
    assert ask("POST", f"{stack.api_url}/messages", headers=headers, body=raw).status == status
    assert ask("POST", f"{stack.api_url}/messages", body=raw).status == 401


def test_a_status_is_asked_for_at_once_if_there_is_a_deal(
    stack: Stack, form: Form, operator: Operator, partner: Remote
) -> None:
    lead_id = accepted(form.post(person()))
    headers = {"Authorization": f"Bearer {stack.operator_token}"}
    path = f"{stack.api_url}/leads/{lead_id}/deliveries/leadleader/check"
    delivery = eventually(
        lambda: operator.lead(lead_id)["deliveries"]["leadleader"], lambda found: found["state"] == "submitted"
    )
    partner.post(f"leadleader/deals/{delivery['deal_id']}", {"status": "В обробці"})
    assert ask("POST", path, headers=headers).status == 202
    partner.post(f"leadleader/deals/{delivery['deal_id']}", {"status": "Видано"})
    closed(operator, lead_id)
    assert ask("POST", path, headers=headers).status == 409
    assert ask("POST", path.replace("leadleader", "nobody"), headers=headers).status == 404


def emitted(kind: str, data: dict[str, Any], url: str) -> int:
    """The status by which a webhook of Leeloo's is answered."""
    body = json.dumps({"type": kind, "data": data}).encode()
    return ask("POST", url, headers={"Content-Type": "application/json"}, body=body).status


def test_leeloos_own_events_find_their_lead_and_are_kept_once(stack: Stack, form: Form, operator: Operator) -> None:
    asked = person()
    lead_id = accepted(form.post(asked))
    secret = json.loads(stack.client("secretsmanager").get_secret_value(SecretId="leadbridge/leeloo")["SecretString"])
    url = f"{stack.api_url}/partners/leeloo/{secret['webhook_token']}"
    data = {"order_id": f"order-{lead_id}", "phone": asked["person"]["phone"], "offer_name": "Курс", "price": "100"}
    assert [emitted("ORDER", data, url) for _ in range(2)] == [202, 202]
    assert emitted("NEW_MESSAGE", {"email": asked["person"]["email"].upper(), "text": "Дякую"}, url) == 202
    found = [(e["what"], e["detail"]) for e in operator.lead(lead_id)["timeline"] if e["what"].startswith("leeloo_")]
    assert found == [("leeloo_order", "Курс 100"), ("leeloo_event", "NEW_MESSAGE")]
    assert emitted("ORDER", data, url + "x") == 401
