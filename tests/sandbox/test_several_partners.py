"""Several partners of one kind in one sandbox: their own credentials, records, faults and settings."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from quality.testkit.sandbox.clock import Clock
from quality.testkit.sandbox.matchtrade import Change, Provider

FURTHER: dict[str, dict[str, Any]] = {
    "lender-b": {"kind": "leadleader"},
    "broker-b": {"kind": "matchtrade", "words": {"NEW_CONTACT": "Новий"}, "time_zone": "Europe/Kyiv"},
    "broker-c": {"kind": "matchtrade", "required": ["email", "country"], "offers": ["Gold"]},
}


@pytest.fixture
def sandbox(keys_dir: Path, clock: Clock) -> Iterator[Sandbox]:
    with Sandbox(keys_dir, pace=10, clock=clock, further=FURTHER) as running:
        yield running


def test_each_has_an_address_and_credentials_of_its_own(sandbox: Sandbox) -> None:
    secrets = sandbox.secrets()
    brokers = [secrets[name] for name in ("matchtrade", "broker-b", "broker-c")]
    assert [one["base_url"].rpartition("/")[2] for one in brokers] == ["matchtrade", "broker-b", "broker-c"]
    for name in ("client_secret", "password", "offer_uuid"):
        assert len({one[name] for one in brokers}) == 3
    assert secrets["lender-b"]["private_key"] != secrets["leadleader"]["private_key"]


def test_records_faults_and_rotations_are_those_of_one(sandbox: Sandbox, remote: Remote) -> None:
    remote.at("broker-b").post("accounts", {"emails": ["ann@example.com"], "status": "NEW_CONTACT"})
    assert len(remote.at("broker-b").rows("accounts")) == 1
    assert remote.rows("matchtrade/accounts") == remote.at("broker-c").rows("accounts") == []
    remote.arm("broker-b", "create", {"kind": "drop", "when": "before"})
    assert [fault["partner"] for fault in remote.rows("faults")] == ["broker-b"]
    before = sandbox.secrets()
    remote.rotate("broker-b", "password")
    changed = [name for name, secret in sandbox.secrets().items() if secret != before[name]]
    assert changed == ["broker-b"]


def test_one_has_offers(sandbox: Sandbox) -> None:
    secret = sandbox.secrets()["broker-c"]
    offers = secret.pop("offers")
    broker = Provider(**secret)

    def at(offer: str) -> Change:
        return lambda body: body.update({"offerUuid": offer, "account": {**body["account"], "country": "Ukraine"}})

    assert broker.create(at(offers["Gold"])).status == 200
    assert broker.create(at(sandbox.secrets()["matchtrade"]["offer_uuid"])).status == 404
    assert "offers" not in sandbox.secrets()["broker-b"]


def test_one_has_words_and_local_times_and_keeps_them_over_a_reset(remote: Remote) -> None:
    remote.reset()
    broker = remote.at("broker-b")
    broker.post("accounts", {"emails": ["ann@example.com"], "start": "2026-07-01T09:00:00Z", "status": "NEW_CONTACT"})
    [account] = broker.rows("accounts", email="ann@example.com")
    assert (account["leadStatus"], account["created"]) == ("Новий", "2026-07-01T12:00:00.000")
    remote.post(
        "matchtrade/accounts", {"emails": ["ann@example.com"], "start": "2026-07-01T09:00:00Z", "status": "NEW_CONTACT"}
    )
    [account] = remote.rows("matchtrade/accounts", email="ann@example.com")
    assert (account["leadStatus"], account["created"]) == ("NEW_CONTACT", "2026-07-01T09:00:00.000Z")


@pytest.mark.parametrize(
    "further",
    [{"broker-b": {}}, {"broker-b": {"kind": "no-kind"}}, {"../x": {"kind": "matchtrade"}}],
)
def test_a_partner_that_cannot_be_made_is_named(tmp_path: Path, further: dict[str, dict[str, str]]) -> None:
    with pytest.raises(ValueError, match=next(iter(further)).replace(".", r"\.")), Sandbox(tmp_path, further=further):
        pass
