"""What becomes of Meta's sample posts, with the functions as they are shipped."""

import json
from typing import Any

import pytest

from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from events.sign import signed
from leadbridge.domain.delivery import State
from leadbridge.domain.fetch import FetchState
from leadbridge.domain.lead import lead_id_of
from leadbridge.storage.fetches import FetchRepository
from leadbridge.storage.table import Table
from quality.testkit.lambda_runtime.cloud import Cloud
from quality.testkit.lambda_runtime.samples import sample
from quality.testkit.lambda_runtime.workshop import Start

LEADGEN_ID = "1202100000000011"
LEAD_ID = lead_id_of("meta-credit", f"id:{LEADGEN_ID}")
ANSWERS = {
    "full_name": "Мар'яненко Ольга Петрівна",
    "phone_number": "+380500001104",
    "ваш_податковий_номер_(рнокпп)?": "3652504575",
    "ким_ви_працюєте?": "Вчителька",
    "яка_сума_вам_потрібна,_грн?": "48000",
    "на_скільки_місяців?": "12",
}


@pytest.fixture
def app_secret(cloud: Cloud, sandbox: Sandbox) -> str:
    """The source can prove itself and read its leads; the app's secret."""
    known = sandbox.secrets()["graph"]
    verify_token = sample("ReceiveLead", "meta_verify")["queryStringParameters"]["hub.verify_token"]
    entry = {
        "secrets": [known["app_secret"]],
        "verify_token": verify_token,
        "access_token": known["access_token"],
        "graph_url": known["graph_url"],
    }
    cloud.put_secret("sources", {"meta-credit": entry})
    cloud.put_secret("index", {"key": "a-key"})
    return str(known["app_secret"])


def post(case: str, app_secret: str) -> dict[str, Any]:
    return signed(sample("ReceiveLead", case), app_secret, 0)


def test_receive_lead_answers_metas_verification_and_posts(start: Start, cloud: Cloud, app_secret: str) -> None:
    with start("ReceiveLead") as function:
        verified = function.invoke(sample("ReceiveLead", "meta_verify"))
        one, many = function.invoke(post("meta_lead", app_secret)), function.invoke(post("meta_batch", app_secret))
        again = function.invoke(post("meta_batch", app_secret))
        forged = function.invoke(sample("ReceiveLead", "meta_lead"))

    assert (verified["statusCode"], verified["body"]) == (200, "1158201444")
    assert (one["statusCode"], json.loads(one["body"])) == (202, {"lead_id": LEAD_ID, "status": "received"})
    assert (many["statusCode"], len(json.loads(many["body"])["lead_ids"])) == (202, 3)
    assert (again["statusCode"], json.loads(again["body"])["duplicate"]) == (200, True)
    assert forged["statusCode"] == 401
    fetch = FetchRepository(Table(cloud.client("dynamodb"), cloud.ref("Leads"))).fetch(LEAD_ID)
    assert fetch is not None
    assert fetch.keys["leadgen_id"] == LEADGEN_ID


def test_fetch_lead_makes_it_a_lead_like_any_other(
    start: Start, cloud: Cloud, sandbox: Sandbox, app_secret: str
) -> None:
    Remote(sandbox.url).post("graph/leads", {"answers": ANSWERS, "leadgen_id": LEADGEN_ID})
    with start("ReceiveLead") as function:
        function.invoke(post("meta_lead", app_secret))
    with start("FetchLead") as function:
        for case in ("overdue", "pending", "pending"):  # it is not overdue yet, and it is fetched once
            assert function.invoke(sample("FetchLead", case)) == {"batchItemFailures": []}
        said = " ".join(function.log_lines())

    journey = cloud.store.journey(LEAD_ID)
    assert journey is not None
    assert journey.fetch is not None
    assert journey.fetch.state is FetchState.FETCHED
    assert journey.lead.person.phone == "+380500001104"
    assert journey.deliveries["leadleader"].state is State.RECEIVED
    for private in ("Мар'яненко", "500001104", "3652504575", LEADGEN_ID, app_secret):
        assert private not in said


def test_fetch_lead_waits_for_a_lead_that_graph_does_not_show(start: Start, cloud: Cloud, app_secret: str) -> None:
    with start("ReceiveLead") as function:
        function.invoke(post("meta_lead", app_secret))
    with start("FetchLead") as function:
        waiting = function.invoke(sample("FetchLead", "pending"))

    assert len(waiting["batchItemFailures"]) == 1
    fetch = FetchRepository(Table(cloud.client("dynamodb"), cloud.ref("Leads"))).fetch(LEAD_ID)
    assert fetch is not None
    assert fetch.last_error_code == "lead_not_visible"
    assert fetch.last_error_data == {"http_status": 400, "graph_code": 100, "graph_subcode": 33}


def test_fetch_lead_lets_a_lead_go_that_is_not_there(start: Start, app_secret: str) -> None:
    with start("FetchLead") as function:
        assert function.invoke(sample("FetchLead", "pending")) == {"batchItemFailures": []}
