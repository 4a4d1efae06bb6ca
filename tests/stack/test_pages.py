"""Pages that post by themselves, through the gateway: what a browser is told, and where its visitor is sent."""

import json
from urllib.parse import urlencode

import pytest

from devstack.commands.api import Operator, ask
from devstack.commands.samples import SOURCE_OF_PAGE as SOURCE
from devstack.stack import Stack
from quality.testkit.deployed import person

PAGE = "http://127.0.0.1:8123"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
VISITOR = {**FORM, "Accept": "text/html", "Origin": PAGE}


@pytest.fixture
def address(stack: Stack) -> str:
    """Where the page posts to."""
    manager = stack.client("secretsmanager")
    sources = json.loads(manager.get_secret_value(SecretId="leadbridge/sources")["SecretString"])
    return f"{stack.api_url}/webhooks/{SOURCE}?token={sources[SOURCE]['secrets'][0]}"


def filled_in(**more: str) -> bytes:
    """What the page sends of somebody who never was."""
    asked = person()
    names = {
        "full_name": "your-name",
        "phone": "your-phone",
        "tax_number": "your-tax-number",
        "activity": "your-activity",
    }
    fields = {name: asked["person"][field] for field, name in names.items()}
    return urlencode({**fields, "amount": "6000", "term": "12", **more}).encode()


def test_a_browser_that_asks_is_answered_by_the_source(address: str) -> None:
    allowed = ask("OPTIONS", address, headers={"Origin": PAGE, "Access-Control-Request-Method": "POST"})
    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (204, PAGE)
    foreign = ask("OPTIONS", address, headers={"Origin": "https://evil.example"})
    assert (foreign.status, "access-control-allow-origin" in foreign.headers) == (403, False)


def test_a_script_of_an_allowed_page_reads_its_answer(address: str, operator: Operator) -> None:
    answer = ask("POST", address, headers={**FORM, "Origin": PAGE}, body=filled_in())
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (202, PAGE)
    assert operator.lead(answer.content["lead_id"])["source"] == SOURCE
    assert ask("POST", address, headers={**FORM, "Origin": "null"}, body=filled_in()).status == 403


def test_a_visitor_without_javascript_is_sent_on(address: str) -> None:
    thanked = ask("POST", address, headers=VISITOR, body=filled_in())
    assert (thanked.status, thanked.headers["location"]) == (303, f"{PAGE}/thanks.html")
    asked = ask("POST", address, headers=VISITOR, body=filled_in(amount="багато"))
    assert (asked.status, asked.headers["location"]) == (303, f"{PAGE}/again.html?fields=loan.amount")


def test_what_the_honeypot_catches_is_no_lead(address: str, operator: Operator) -> None:
    answer = ask("POST", address, headers=FORM, body=filled_in(website="https://spam.example"))
    assert answer.status == 202
    assert operator.get(f"/leads/{answer.content['lead_id']}").status == 404
