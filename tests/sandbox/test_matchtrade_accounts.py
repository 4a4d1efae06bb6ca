"""Creating accounts at Match-Trade's broker, and how their statuses move."""

from pathlib import Path
from typing import Any

import pytest

from devstack.sandbox.remote import ControlError, Remote
from devstack.sandbox.server import Sandbox
from quality.testkit.sandbox.client import call
from quality.testkit.sandbox.clock import Clock
from quality.testkit.sandbox.matchtrade import Change, Provider, account, message

NOT_VALID = "Register Account Model is not valid"


@pytest.fixture
def provider(sandbox: Sandbox) -> Provider:
    return Provider.of(sandbox)


def _last(remote: Remote) -> dict[str, Any]:
    return remote.calls("matchtrade", "create")[-1]


def test_an_account_is_created_and_kept(provider: Provider, remote: Remote) -> None:
    answer = provider.create()
    assert answer.status == 200
    kept = remote.get(f"matchtrade/accounts/{answer.json['uuid']}")
    assert kept["account"] == provider.body()["account"]
    assert (kept["leadStatus"], kept["role"], kept["origin"]) == ("NEW_CONTACT", "LEAD", "registered")
    assert remote.rows("matchtrade/accounts", email="OLHA@example.com") == [kept]
    assert remote.rows("matchtrade/accounts", email="unknown@example.com") == []
    logged = _last(remote)
    assert (logged["account_uuid"], logged["email"]) == (kept["uuid"], "olha@example.com")
    assert "violations" not in logged


@pytest.mark.parametrize(
    ("settings", "status", "body"),
    [({"create_status": 201, "create_uuid": False}, 201, b""), ({"create_status": 204}, 204, b"")],
)
def test_any_success_will_do_with_an_account_in_the_answer_or_without(
    provider: Provider, remote: Remote, settings: dict[str, Any], status: int, body: bytes
) -> None:
    remote.post("matchtrade/broker", {**settings})
    answer = provider.create()
    assert (answer.status, answer.raw) == (status, body)
    assert _last(remote)["account_uuid"] == remote.rows("matchtrade/accounts")[0]["uuid"]


def test_an_email_has_one_account(provider: Provider, remote: Remote) -> None:
    provider.create()
    again = provider.create(account(email="Olha@Example.com", name="Інша"))
    assert (again.status, message(again)) == (409, "Account [Olha@Example.com:0] already exists")
    assert [each["name"] for each in remote.rows("matchtrade/accounts")] == ["Ольга"]


def test_a_partner_with_another_number_has_the_same_accounts(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as sandbox:
        before = Provider.of(sandbox)
        before.create()
        Remote(sandbox.url).rotate("matchtrade", "partner_id")
        after = Provider.of(sandbox)
        assert message(after.create()) == "Account [olha@example.com:1] already exists"
        assert (len(after.rows()), before.pull().status) == (1, 403)


def test_a_sample_has_its_email_too(provider: Provider, remote: Remote) -> None:
    remote.post("matchtrade/accounts", {"count": 1, "start": "2019-01-01T00:00:00Z"})
    assert provider.create(account(email=remote.rows("matchtrade/accounts")[0]["email"])).status == 409


def test_a_wrong_offer_is_not_found(provider: Provider) -> None:
    answer = provider.create(lambda body: body.update(offerUuid="0" * 8 + provider.offer_uuid[8:]))
    assert (answer.status, message(answer)) == (404, "Entity not found: [status 404 reading OfferClient#findOne(UUID)]")
    assert provider.create(lambda body: body.update(offerUuid=provider.offer_uuid.upper())).status == 200


def test_a_text_longer_than_its_column_is_answered_with_sql_and_a_persons_data(
    provider: Provider, remote: Remote
) -> None:
    assert provider.create(account(name="я" * 255)).status == 200
    answer = provider.create(account(name="я" * 256, email="long@example.com"))
    assert answer.status == 400
    assert message(answer).startswith("could not execute batch; SQL [insert into account (")
    assert "long@example.com" in answer.json["printableMessage"]
    assert _last(remote)["refused"] == "does not fit: account.name"
    remote.post("matchtrade/broker", {"column_length": 20})
    answer = provider.create(account(leadInfo={"leadSource": "x" * 21}, email="x@example.com"))
    assert answer.status == 400


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda body: body.pop("offerUuid"), ["offerUuid"]),
        (lambda body: body.update(offerUuid="1"), ["offerUuid"]),
        (lambda body: body.pop("account"), ["account"]),
        (account(partnerId=None), ["account.partnerId"]),
        (account(partnerId="0"), ["account.partnerId"]),
        (account(partnerId=False), ["account.partnerId"]),
        (account(partnerId=7), ["account.partnerId"]),
        (account(name=None, surname=""), ["account.surname", "account.name"]),
        (account(email="olha"), ["account.email"]),
        (account(phone="+380501234567"), ["account.phone"]),
        (account(phone=380501234567), ["account.phone"]),
        (account(city="", dateOfBirth="31.01.1990"), ["account.city", "account.dateOfBirth"]),
        (account(leadInfo={}), ["account.leadInfo.leadSource"]),
        (account(leadInfo={"leadSource": ""}), ["account.leadInfo.leadSource"]),
        (lambda body: body["account"].update(country=None), ["account.country"]),
    ],
)
def test_a_model_that_is_not_valid_is_a_500(
    provider: Provider, remote: Remote, change: Change, wrong: list[str]
) -> None:
    answer = provider.create(change)
    assert (answer.status, message(answer)) == (500, NOT_VALID)
    assert sorted(_last(remote)["refused"]) == sorted(wrong)
    assert remote.rows("matchtrade/accounts") == []


def test_brokers_differ_in_what_they_require(provider: Provider, remote: Remote) -> None:
    remote.post("matchtrade/broker", {"required": ["email", "country", "leadInfo.leadSource"], "plus_in_phone": True})
    assert provider.create().status == 500
    short = account(country="Ukraine", phone="+380501234567", name=None, surname=None)
    assert provider.create(lambda body: (short(body), body["account"].pop("leadInfo"))).status == 500
    assert _last(remote)["refused"] == ["account.leadInfo.leadSource"]
    assert provider.create(short).status == 200


def test_all_fields_that_were_seen_are_taken_and_others_are_recorded(provider: Provider, remote: Remote) -> None:
    seen = dict.fromkeys(("state", "city", "postCode", "address", "clientType", "country"), "x")
    assert provider.create(account(**seen, dateOfBirth="1990-01-31")).status == 200
    assert "violations" not in _last(remote)
    more = account(email="b@example.com", firstName="x", leadInfo={"leadSource": "x", "clickId": "y"})
    assert provider.create(lambda body: (more(body), body.update(source="z"))).status == 200
    assert sorted(_last(remote)["violations"]) == ["account.firstName", "account.leadInfo.clickId", "source"]


def test_a_bad_token_comes_before_a_bad_body(provider: Provider) -> None:
    refused = provider.post(b"{", token="wrong")
    assert (refused.status, message(refused)) == (401, "java.nio.charset.MalformedInputException: Input length = 1")
    assert call(f"{provider.base_url}/proxy/processing/api/accounts", provider.body()).status == 401
    assert provider.post(b"{").status == 400
    assert provider.post([]).status == 500
    refused = provider.post(b"{}", **{"Content-Type": "text/plain"})
    assert (refused.status, message(refused)) == (415, "Content type 'text/plain' not supported")


@pytest.mark.parametrize(
    ("phone", "path"),
    [
        ("380501234567", ["NEW_CONTACT", "CONTACTED", "READY_TO_DEPOSIT", "ACTIVE_CLIENT"]),
        ("380501234560", ["NEW_CONTACT", "CONTACTED", "NO_POTENTIAL"]),
    ],
)
def test_statuses_move_with_time_and_each_move_is_an_update(
    provider: Provider, remote: Remote, clock: Clock, phone: str, path: list[str]
) -> None:
    account_uuid = provider.create(account(phone=phone)).json["uuid"]
    clock.now += 10
    (row,) = provider.rows()
    assert (row["leadStatus"], row["created"][11:19], row["updated"][11:19]) == (path[1], "08:00:00", "08:00:10")
    clock.now += 3600
    history = remote.get(f"matchtrade/accounts/{account_uuid}")["history"]
    assert [each["status"] for each in history] == path
    assert provider.rows()[0]["updated"] == history[-1]["at"]


def test_a_status_that_is_set_stays(provider: Provider, remote: Remote, clock: Clock) -> None:
    account_uuid = provider.create().json["uuid"]
    clock.now += 5
    changed = remote.post(f"matchtrade/accounts/{account_uuid}", {"status": "VIP"})
    assert (changed["leadStatus"], changed["updated"][11:19]) == ("VIP", "08:00:05")
    clock.now += 3600
    remote.post(f"matchtrade/accounts/{account_uuid}", {"status": "VIP"})
    assert remote.get(f"matchtrade/accounts/{account_uuid}") == changed
    with pytest.raises(ControlError, match="404"):
        remote.post(f"matchtrade/accounts/{'0' * 36}", {"status": "VIP"})
