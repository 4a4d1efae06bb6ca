"""The partner kinds: what each must have, and what the configuration and the template must have for it."""

import json
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from devstack.sandbox.profile import profiles
from devstack.sandbox.server import partner_classes
from leadbridge.api.routes.partners import list_partners
from leadbridge.auth.partner_secret import PartnerSecret
from leadbridge.domain.errors.partner_errors import Unavailable
from leadbridge.partners.kind import LostReply, PartnerKind, StatusSource
from leadbridge.partners.registry import UnknownKind, all_kinds, kind_named, kind_names
from leadbridge.runtime import aws
from leadbridge.settings import Settings
from leadbridge.storage.table import Table
from quality.testkit.fixtures import TABLE
from quality.testkit.template import ROOT, resources, template
from quality.testkit.wiring import queues
from tools.config import read_toml
from tools.config.checks import wrongs_in

KINDS = pytest.mark.parametrize("kind", all_kinds(), ids=kind_names())


def variables(function: str) -> dict[str, Any]:
    found: dict[str, Any] = template()["Resources"][function]["Properties"]["Environment"]["Variables"]
    return found


def test_a_kind_is_found_by_its_name_and_no_other() -> None:
    assert [kind_named(name).name for name in kind_names()] == [*kind_names()]
    with pytest.raises(UnknownKind):
        kind_named("graph")


@KINDS
def test_a_kind_has_a_stand_in_that_hands_out_its_secret(kind: PartnerKind) -> None:
    assert kind.name in partner_classes()
    assert kind.name in profiles()
    assert set(kind.secret.addresses) <= set(kind.secret.required)


@KINDS
def test_a_kind_has_a_queue_a_mapping_and_a_secret(kind: PartnerKind) -> None:
    mapped = {
        event["Properties"]["Queue"]["Fn::GetAtt"][0]
        for event in template()["Resources"]["SubmitLead"]["Properties"]["Events"].values()
    }
    assert queues()[kind.queue] in mapped
    assert kind.queue in queues("DEAD_LETTER_QUEUES")
    for function, name in (
        ("SubmitLead", "SUBMIT_QUEUES"),
        ("SubmitLead", "SUBMIT_DEAD_LETTER_QUEUES"),
        ("CheckStatus", "SUBMIT_QUEUES"),
    ):
        assert kind.name in json.loads(variables(function)[name]["Fn::Sub"])
    names = [one["Properties"]["Name"]["Fn::Sub"] for one in resources("AWS::SecretsManager::Secret").values()]
    assert f"${{Prefix}}/{kind.name}" in names


def test_the_alarms_for_rules_watch_every_rule() -> None:
    rules = {rule["Properties"]["Name"]["Fn::Sub"] for rule in resources("AWS::Events::Rule").values()}
    for alarm in ("RulesFailedAlarm", "EventsLostAlarm"):
        metrics = json.dumps(template()["Resources"][alarm]["Properties"]["Metrics"])
        assert {rule for rule in rules if json.dumps({"Fn::Sub": rule}) in metrics} == rules


@KINDS
def test_a_kind_is_described_without_its_client(kind: PartnerKind) -> None:
    """A worker that submits to one kind must not load another."""
    code = (
        "import sys; from leadbridge.partners.registry import kind_named;"
        f"kind_named({kind.name!r});"
        "print(*(name for name in sys.modules if name.startswith('leadbridge.partners.') or name == 'cryptography'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "layers/leadbridge", text=True, capture_output=True, check=True
    )
    own = {f"leadbridge.partners.{kind.name}", f"leadbridge.partners.{kind.name}.kind"}
    assert set(done.stdout.split()) == own | {"leadbridge.partners.kind", "leadbridge.partners.registry"}


@KINDS
def test_a_client_has_what_its_kind_promises(kind: PartnerKind) -> None:
    configured = Settings.model_validate(read_toml(ROOT / "config", "prod")).partners[kind.name]
    client = kind.client(kind.name, Held({}), configured.timeouts, settings=configured)
    promised = ["authorize", "seconds_per_submission", "seconds_per_create"]
    promised += ["find", "seconds_per_page"] if kind.lost_reply is LostReply.LOOK_UP else []
    promised += ["pages"] if kind.status is StatusSource.SYNC else ["status", "seconds_per_check"]
    assert [name for name in promised if not hasattr(client, name)] == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"kind": "matchtrad"}, "there is no partner kind 'matchtrad'; did you mean 'matchtrade'?"),
        ({"kind": "bank"}, "there is no partner kind 'bank'; there are leadleader, matchtrade"),
        ({"kind": "matchtrade"}, "a partner of kind 'matchtrade' needs 'sync' instead of 'cadence'"),
    ],
)
def test_a_wrong_kind_is_named(changes: dict[str, str], text: str) -> None:
    tables = read_toml(ROOT / "config", "prod")
    tables["partners"]["leadleader"] |= changes
    assert text in [wrong.text for wrong in wrongs_in(tables, "prod")]


@pytest.mark.usefixtures("store")
def test_the_api_lists_every_configured_partner(shipped_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    request: Any = SimpleNamespace(resources=SimpleNamespace(table=Table(aws.dynamodb(), TABLE)), operator="olena")
    monkeypatch.setattr("leadbridge.api.routes.partners.checks_view", lambda *_: None)
    listed = list_partners(request)["partners"]
    assert [one["name"] for one in listed] == [*shipped_settings.partners]
    assert {one["queue"] for one in listed} <= queues().keys()
    assert {(one["kind"], one["id_field"], one["id_type"]) for one in listed} == {
        (kind.name, kind.id.field, kind.id.type) for kind in all_kinds()
    }


class Held:
    """Secrets Manager with one value."""

    def __init__(self, value: dict[str, Any]) -> None:
        self.value = value

    def get(self, _: str = "") -> dict[str, Any]:
        return self.value

    def refresh(self, _: str = "") -> dict[str, Any]:
        return self.value


@pytest.mark.parametrize(
    ("value", "is_shared", "found"),
    [
        ({"password": "x"}, False, {"password": "x"}),
        ({"broker-a": {"password": "a"}, "broker-b": {"password": "b"}}, True, {"password": "a"}),
        ({"broker-a": {"password": "a"}}, False, {"password": "a"}),
        ({"password": "x"}, True, None),
        ({"broker-b": {"password": "b"}}, True, None),
    ],
)
def test_a_flat_secret_belongs_to_the_only_partner_of_a_kind(
    value: dict[str, Any], is_shared: bool, found: dict[str, Any] | None
) -> None:
    secrets: Any = Held(value)
    secret = PartnerSecret(secrets, "matchtrade", "broker-a", is_shared=is_shared)
    if found is None:
        with pytest.raises(Unavailable):
            secret.get()
    else:
        assert secret.get() == secret.refresh() == found
