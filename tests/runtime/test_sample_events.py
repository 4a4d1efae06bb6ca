"""The sample events: one for each function, in the shape that AWS gives to its trigger, and in step with the code."""

import hashlib
import json
from decimal import Decimal
from itertools import chain
from typing import Any

import pytest

from devstack.workdir import PROJECT
from events.sign import main as sign_main
from leadbridge.domain.clock import utc_now
from leadbridge.domain.lead import lead_id_of
from leadbridge.forms.base import Request, Submission, adapter_named
from leadbridge.settings import Settings
from leadbridge.storage import items
from quality.testkit.lambda_runtime.samples import EVENTS, FUNCTIONS, cases, folder_of, sample, triggers
from tools.config import read_toml

AUTHORIZER = "authorizer"  # the gateway calls it without a trigger
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
SOURCES = Settings.model_validate(read_toml(PROJECT / "config", "prod")).sources
POSTS = [
    case
    for function, case in cases()
    if function == "ReceiveLead" and sample("ReceiveLead", case)["httpMethod"] == "POST"
]
# What Meta posts only names a lead: there is nothing to read in it.
FORM_CASES = [
    case for case in POSTS if SOURCES[sample("ReceiveLead", case)["pathParameters"]["source"]].adapter != "meta"
]
VARIETIES = {
    "web": {"good", "invalid", "test_ping"},
    "tilda-credit": {"tilda_lead", "tilda_test", "incomplete"},
    "typeform-credit": {"typeform_lead"},
    "webflow-credit": {"webflow_signed", "webflow_dashboard"},
    "elementor-credit": {"elementor_simple", "elementor_advanced"},
    "jotform-credit": {"jotform_lead"},
    "google-credit": {"google_lead", "google_test"},
    "tally-credit": {"tally_lead", "tally_other_event"},
    "plain-credit": {"plain_urlencoded", "plain_windows1251", "plain_multipart", "plain_json"},
}
LEAD_ID = lead_id_of("web", f"id:{sample('ReceiveLead', 'good')['headers']['webhook-id']}")


def test_every_function_has_a_sample_and_every_sample_a_function() -> None:
    folders = {folder for folder in EVENTS.iterdir() if folder.is_dir() and folder.name != "__pycache__"}

    assert folders == {folder_of(function) for function in FUNCTIONS}
    assert {function for function, _ in cases()} == set(FUNCTIONS)


@pytest.mark.parametrize(("function", "case"), cases())
def test_a_sample_has_the_shape_of_its_trigger(function: str, case: str) -> None:
    event = sample(function, case)
    kind = kind_of(event)
    assert kind in ({trigger["Type"] for trigger in triggers(function)} or {AUTHORIZER})
    match kind:
        case "Api":
            assert event.keys() == PROXY
            assert_is_a_route_of(function, event)
        case "SQS":
            for record in event["Records"]:
                assert record.keys() == MESSAGE
                assert record["eventSource"] == "aws:sqs"
                assert record["md5OfBody"] == hashlib.md5(record["body"].encode()).hexdigest()
        case "DynamoDB":
            for record in event["Records"]:
                assert record.keys() == CHANGE
                assert record["dynamodb"]["Keys"].keys() == {"pk", "sk"}
                assert ("OldImage" in record["dynamodb"]) == (record["eventName"] == "MODIFY")
        case "ScheduleV2":
            assert event.keys() == TICK
        case _:
            assert event.keys() == {"type", "methodArn", "authorizationToken"}


def kind_of(event: dict[str, Any]) -> str:
    """The type of the trigger that sends such an event. A function may have several triggers."""
    match event:
        case {"httpMethod": _}:
            return "Api"
        case {"Records": [{"eventSource": "aws:sqs"}, *_]}:
            return "SQS"
        case {"Records": [{"eventSource": "aws:dynamodb"}, *_]}:
            return "DynamoDB"
        case {"detail-type": _}:
            return "ScheduleV2"
        case {"methodArn": _}:
            return AUTHORIZER
    pytest.fail(f"the trigger is not known of an event with {sorted(event)}")


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


def test_the_leads_are_invented_and_distinguished_by_phone_and_id() -> None:
    submissions = [said_in(case) for case in FORM_CASES if case != "redelivered"]
    people = [one.values["person"] for one in submissions if one is not None and not one.is_test]
    named = [one.delivery_id for one in submissions if one is not None and one.delivery_id is not None]

    assert all("example.com" in person["email"] for person in people)
    assert len({"".join(filter(str.isdigit, person["phone"]))[-9:] for person in people}) == len(people)
    assert len(set(named)) == len(named)


@pytest.mark.parametrize("source", sorted(VARIETIES))
def test_a_source_has_a_sample_of_each_variety(source: str) -> None:
    of_source = {case for case in FORM_CASES if sample("ReceiveLead", case)["pathParameters"]["source"] == source}

    assert of_source >= VARIETIES[source]


def said_in(case: str) -> Submission | None:
    """What a sample of a form says of a lead; None where it says nothing of one."""
    event = sample("ReceiveLead", case)
    source = SOURCES[event["pathParameters"]["source"]]
    return next(iter(adapter_named(source.adapter).parse(Request.of(event), source)), None)


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
    assert json.loads(due["body"])["lead_ids"] == [LEAD_ID]
    assert sample("ManageLeads", "show")["pathParameters"] == {"lead_id": LEAD_ID}


@pytest.mark.parametrize("case", [case for function, case in cases() if function == "PublishChanges"])
def test_a_stream_record_holds_what_the_store_writes(case: str) -> None:
    changes = [record["dynamodb"] for record in sample("PublishChanges", case)["Records"]]

    for image in chain.from_iterable((change["NewImage"], change.get("OldImage")) for change in changes):
        if image is None:
            continue
        values = items.decode(image)
        if values["sk"] == "LEAD":
            assert items.encode(items.lead_item(items.lead_of(values), phone_hash=values["phone_hash"])) == image
        else:
            assert items.encode(items.delivery_item(items.delivery_of(values))) == image


@pytest.mark.parametrize("case", FORM_CASES)
def test_a_signed_sample_is_believed(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    sign_main([str(folder_of("ReceiveLead") / f"{case}.json"), "--secret", SECRET])

    event, unsigned = json.loads(capsys.readouterr().out), sample("ReceiveLead", case)
    source = SOURCES[event["pathParameters"]["source"]]
    adapter_named(source.adapter).verify(Request.of(event), [SECRET], utc_now())
    assert event.keys() == unsigned.keys()
    assert event["headers"].keys() == unsigned["headers"].keys()
    assert event["body"] == unsigned["body"] or source.adapter == "google_ads"  # its key is in the body
    assert event["multiValueHeaders"] == {name: [value] for name, value in event["headers"].items()}
