"""The sample events: one for each function, in the shape that AWS gives to its trigger, and in step with the code."""

import hashlib
import json
from decimal import Decimal
from itertools import chain
from typing import Any

import pytest

from events.sign import main as sign_main
from leadbridge.clock import utc_now
from leadbridge.forms import standard_webhooks
from leadbridge.forms.adapter import Request
from leadbridge.leads import items
from leadbridge.leads.lead import lead_id_of
from tests.runtime.samples import EVENTS, FUNCTIONS, cases, folder_of, sample, triggers

SECRET = "whsec_c2FtcGxlLXNlY3JldC1vZi10aGUtdGVzdHMhISEh"
PROXY = {
    *("resource", "path", "httpMethod", "headers", "multiValueHeaders", "queryStringParameters", "body"),
    *("multiValueQueryStringParameters", "pathParameters", "stageVariables", "requestContext", "isBase64Encoded"),
}
MESSAGE = {
    *("messageId", "receiptHandle", "body", "attributes", "messageAttributes", "md5OfBody"),
    *("eventSource", "eventSourceARN", "awsRegion"),
}
CHANGE = {"eventID", "eventName", "eventVersion", "eventSource", "awsRegion", "dynamodb", "eventSourceARN"}
TICK = {"version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"}
LEAD_ID = lead_id_of("web", f"id:{sample('ReceiveLead', 'good')['headers']['webhook-id']}")


def test_every_function_has_a_sample_and_every_sample_a_function() -> None:
    folders = {folder for folder in EVENTS.iterdir() if folder.is_dir() and folder.name != "__pycache__"}

    assert folders == {folder_of(function) for function in FUNCTIONS}
    assert {function for function, _ in cases()} == set(FUNCTIONS)


@pytest.mark.parametrize(("function", "case"), cases())
def test_a_sample_has_the_shape_of_its_trigger(function: str, case: str) -> None:
    event = sample(function, case)
    match {trigger["Type"] for trigger in triggers(function)}:
        case kinds if kinds == {"Api"}:
            assert event.keys() == PROXY
            assert_is_a_route_of(function, event)
        case kinds if kinds == {"SQS"}:
            for record in event["Records"]:
                assert record.keys() == MESSAGE
                assert record["eventSource"] == "aws:sqs"
                assert record["md5OfBody"] == hashlib.md5(record["body"].encode()).hexdigest()
        case kinds if kinds == {"DynamoDB"}:
            for record in event["Records"]:
                assert record.keys() == CHANGE
                assert record["dynamodb"]["Keys"].keys() == {"pk", "sk"}
                assert ("OldImage" in record["dynamodb"]) == (record["eventName"] == "MODIFY")
        case kinds if kinds == {"ScheduleV2"}:
            assert event.keys() == TICK
        case kinds if not kinds:
            assert event.keys() == {"type", "methodArn", "authorizationToken"}
        case kinds:
            pytest.fail(f"nobody has said what an event of {kinds} looks like")


def assert_is_a_route_of(function: str, event: dict[str, Any]) -> None:
    routes = {(trigger["Properties"]["Method"], trigger["Properties"]["Path"]) for trigger in triggers(function)}
    assert (event["httpMethod"], event["resource"]) in routes
    assert event["path"] == event["resource"].format(**event["pathParameters"] or {})
    assert event["requestContext"]["resourcePath"] == event["resource"]
    assert event["multiValueHeaders"] == {name: [value] for name, value in event["headers"].items()}


def test_a_redelivery_brings_the_same_id_and_body() -> None:
    good, again = sample("ReceiveLead", "good"), sample("ReceiveLead", "redelivered")

    assert again["headers"]["webhook-id"] == good["headers"]["webhook-id"]
    assert again["body"] == good["body"]


def test_the_leads_are_invented_and_told_apart_by_phone_and_id() -> None:
    names = [case for function, case in cases() if function == "ReceiveLead" and case != "redelivered"]
    events = [event for event in (sample("ReceiveLead", name) for name in names) if "webhook-id" in event["headers"]]
    people = [body["person"] for body in (json.loads(event["body"]) for event in events) if "person" in body]

    assert all("example.com" in person["email"] for person in people)
    assert len({person["phone"] for person in people}) == len(people)
    assert len({event["headers"]["webhook-id"] for event in events}) == len(events)


def test_the_large_amount_is_one_that_a_float_would_change() -> None:
    body = sample("ReceiveLead", "large_amount")["body"]
    amount = json.loads(body, parse_float=Decimal)["loan"]["amount"]

    assert len(amount.as_tuple().digits) == 16
    assert Decimal(str(float(amount))) != amount


def test_the_samples_of_the_other_functions_tell_what_becomes_of_the_good_lead() -> None:
    records = sample("PublishChanges", "new_lead")["Records"] + sample("PublishChanges", "status_changed")["Records"]
    told = {record["dynamodb"]["Keys"]["pk"]["S"] for record in records}
    (waiting,) = sample("SubmitLead", "waiting")["Records"]
    (due,) = sample("CheckStatus", "due")["Records"]

    assert told == {f"LEAD#{LEAD_ID}"}
    assert json.loads(waiting["body"])["detail"]["lead_id"] == LEAD_ID
    assert json.loads(due["body"])["lead_id"] == LEAD_ID
    assert sample("ManageLeads", "show")["pathParameters"] == {"lead_id": LEAD_ID}


@pytest.mark.parametrize("case", [case for function, case in cases() if function == "PublishChanges"])
def test_a_stream_record_holds_what_the_store_writes(case: str) -> None:
    changes = [record["dynamodb"] for record in sample("PublishChanges", case)["Records"]]

    for image in chain.from_iterable((change["NewImage"], change.get("OldImage")) for change in changes):
        if image is None:
            continue
        values = items.decode(image)
        if values["sk"] == "LEAD":
            assert items.lead_item(items.lead_of(values), phone_hash=values["phone_hash"]) == image
        else:
            assert items.delivery_item(items.delivery_of(values)) == image


def test_a_signed_sample_is_believed(capsys: pytest.CaptureFixture[str]) -> None:
    sign_main([str(folder_of("ReceiveLead") / "good.json"), "--secret", SECRET])

    event = json.loads(capsys.readouterr().out)
    standard_webhooks.verify(Request.of(event), [SECRET], utc_now())
    assert event["body"] == sample("ReceiveLead", "good")["body"]
    assert event["multiValueHeaders"]["webhook-signature"] == [event["headers"]["webhook-signature"]]
