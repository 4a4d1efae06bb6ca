"""The API's outside: every answer that forms and operators rely on."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from devstack.commands.api import Answer, Operator, ask
from devstack.stack import Stack
from quality.testkit.deployed import Form, accepted, person


def problem(answer: Answer, status: int) -> dict[str, Any]:
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.content["status"] == status
    return answer.content


def test_health_is_open(stack: Stack) -> None:
    answer = ask("GET", f"{stack.api_url}/health")
    assert (answer.status, answer.content) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/leads", "/leads/ld_aaaaaaaaaaaaaaaaaaaaaaaaaa"])
@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer ", "Basic x"])
def test_operators_routes_want_a_token(stack: Stack, path: str, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    problem(ask("GET", stack.api_url + path, headers=headers), 401)


def test_a_redelivery_is_answered_200_with_the_same_id(form: Form) -> None:
    asked = person()
    message_id = "msg_again_" + asked["person"]["phone"]
    lead_id = accepted(form.post(asked, message_id))
    again = form.post(asked, message_id)
    assert again.status == 200
    assert (again.content["lead_id"], again.content["duplicate"]) == (lead_id, True)


def test_a_test_ping_is_answered_and_stored_nowhere(form: Form) -> None:
    answer = form.post({"test": True})
    assert (answer.status, answer.content) == (200, {"status": "test"})


def test_an_invalid_lead_names_its_fields(form: Form) -> None:
    asked = person()
    asked["person"]["phone"] = "12"
    asked["loan"] = {"amount": "багато"}
    errors = problem(form.post(asked), 422)["errors"]
    assert {error["field"] for error in errors} == {"person.phone", "loan.amount", "loan.term"}


def test_a_broken_body_a_forged_one_and_an_unknown_source(stack: Stack, form: Form) -> None:
    problem(form.post("nonsense"), 400)
    problem(form.post('{"person": {}, "person": {}}'), 400)
    problem(form.post(json.dumps({"person": {"full_name": "а" * 140_000}}, ensure_ascii=False)), 413)
    problem(Form(stack, "whsec_bm90IHRoZSBzZWNyZXQ=").post(person()), 401)
    problem(Form(stack, form.secret, "nobody").post(person()), 404)
    url = f"{stack.api_url}/webhooks/web"
    problem(ask("POST", url, headers={"Content-Type": "text/plain"}, body=b"hello"), 415)
    problem(ask("POST", url, headers={"Content-Type": "application/json"}, body=b"{}"), 401)


def test_json_reaches_the_function_in_the_bytes_that_were_sent(stack: Stack, operator: Operator) -> None:
    secrets = stack.client("secretsmanager").get_secret_value(SecretId="leadbridge/sources")["SecretString"]
    token = json.loads(secrets)["plain-credit"]["secrets"][0]
    asked = person()
    name = asked["person"]["full_name"]
    answers = {"your-name": name, "your-phone": asked["person"]["phone"], "amount": "6000", "term": "12"}
    answers |= {"your-tax-number": "3068208400", "your-activity": "вчителька"}
    body = json.dumps(answers, ensure_ascii=False).encode("windows-1251")
    for kind in ("application/json; charset=windows-1251", "text/plain; charset=windows-1251", "application/json"):
        url = f"{stack.api_url}/webhooks/plain-credit?token={quote(token)}"
        answer = ask("POST", url, headers={"Content-Type": kind}, body=body)
        assert operator.lead(answer.content["lead_id"])["person"]["full_name"] == name


def test_a_lead_is_found_by_phone_however_it_is_written(form: Form, operator: Operator) -> None:
    asked = person()
    lead_id = accepted(form.post(asked))
    national = asked["person"]["phone"].removeprefix("+38")
    for written in (asked["person"]["phone"], national, f"{national[:3]} {national[3:6]}-{national[6:]}"):
        found = operator.get(f"/leads?phone={quote(written)}").content["leads"]
        assert [lead["lead_id"] for lead in found] == [lead_id]


def test_pages_of_the_list_follow_each_other(form: Form, operator: Operator) -> None:
    ids = [accepted(form.post(person())) for _ in range(5)]
    first = operator.get("/leads?limit=2&source=web").content
    second = operator.get(f"/leads?limit=3&source=web&cursor={first['cursor']}").content
    assert [lead["lead_id"] for lead in first["leads"] + second["leads"]] == ids[::-1]
    problem(operator.get("/leads?limit=0"), 400)
    problem(operator.get("/leads?cursor=nonsense"), 400)
    problem(operator.get("/leads/nobody"), 404)
