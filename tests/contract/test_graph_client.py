"""Graph's client against the sandbox: what it sends, what it makes of every fault, and that all of them pass."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import Misconfigured, RateLimited, Rejected, Unauthorized, Unavailable
from leadbridge.forms.adapters import meta
from leadbridge.partners.graph import Graph
from leadbridge.partners.graph.client import FIELDS
from leadbridge.partners.http import Transport
from leadbridge.settings import Source
from quality.testkit.clients.leadleader import Vault, budget, short
from quality.testkit.clients.leadleader_faults import MATRIX, Broken, Meaning

ANSWERS = {"full_name": "Прикладенко Олена", "phone_number": "+380500000001", "вибір": ["а", "б"]}
KEYS = {"leadgen_id": "77"}
PATIENT = 5.0  # seconds

# Reading is safe to repeat: what another partner refuses for good is here a matter for a person.
MEANS: dict[Meaning, Meaning] = {
    None: None,
    Unavailable: Unavailable,
    RateLimited: RateLimited,
    Unauthorized: Misconfigured,
    Rejected: Misconfigured,
}
# Of an error without a code the status tells what it is; each JSON object with a 4xx is taken for Graph's own.
OTHERWISE: dict[str, Meaning] = {
    "answers 200 with an error": Unavailable,
    "answers 500 with an error": Unavailable,
    "answers 403 in a firewall's JSON": Misconfigured,
    "answers 403 in a gateway's JSON": Misconfigured,
    "answers 404 in a router's JSON": Misconfigured,
    "answers 400 with an id": Misconfigured,
    "answers 408 with an error": Unavailable,
}


@dataclass
class GraphFaults:
    """The sandbox's controls, aimed at Graph whatever partner a fault was written for."""

    remote: Remote

    @property
    def url(self) -> str:
        return self.remote.url

    def arm(self, partner: str, operation: str, order: dict[str, Any], **options: Any) -> None:
        self.remote.arm("graph", "lead", order, **options)


@dataclass
class World:
    """One client, one Graph with one lead, and what is wrong with it."""

    remote: GraphFaults
    vault: Vault
    sandbox: Sandbox
    stack: ExitStack
    hasty: bool = False
    partner: str = "graph"

    def client(self) -> Graph:
        return Graph(Transport("graph", short() if self.hasty else short(PATIENT, PATIENT)), self.vault)

    def lead(self) -> dict[str, Any]:
        return self.client().lead(KEYS, budget())

    def point(self, operation: str, url: str) -> None:
        self.vault.replace(graph_url=url)

    def repair(self) -> None:
        self.remote.remote.disarm()
        self.vault.current = lambda: entry(self.sandbox)
        self.vault.kept = entry(self.sandbox)
        self.hasty = False

    @property
    def calls(self) -> list[dict[str, Any]]:
        return self.remote.remote.calls("graph")


def entry(sandbox: Sandbox) -> dict[str, Any]:
    """The source's entry in the secret, as it would be put for this sandbox."""
    known = sandbox.secrets()["graph"]
    return {
        "graph_url": known["graph_url"],
        "access_token": known["access_token"],
        "secrets": [known["app_secret"], "old"],
    }


@pytest.fixture
def world(sandbox: Sandbox) -> Iterator[World]:
    remote = Remote(sandbox.url)
    remote.reset()
    boxes = [{"checkbox_key": "optional_1", "is_checked": "1"}, {"checkbox_key": "marketing", "is_checked": ""}]
    remote.post(
        "graph/leads", {"answers": ANSWERS, "leadgen_id": "77", "platform": "ig", "custom_disclaimer_responses": boxes}
    )
    with ExitStack() as stack:
        yield World(GraphFaults(remote), Vault(lambda: entry(sandbox), entry(sandbox)), sandbox, stack)


def test_a_lead_is_read_with_the_token_in_a_header_and_the_apps_proof(world: World) -> None:
    lead = world.lead()
    assert lead["field_data"][2] == {"name": "вибір", "values": ["а", "б"]}
    [call] = world.calls
    assert (call["status"], call["fields"]) == (200, FIELDS)
    assert call["access_token_sha256"] is not None
    assert call["path"] == "/graph/77"


def test_what_is_read_is_what_the_adapter_reads(world: World) -> None:
    source = Source.model_validate({"adapter": "meta", "partners": ["x"], "fields": {"phone_number": "person.phone"}})
    submission = meta.read(world.lead(), KEYS, source)
    assert submission.values["person"] == {"phone": "+380500000001"}
    assert submission.values["utm"] == {"utm_source": "ig"}
    assert submission.values["consent"]["text"] == "disclaimer.optional_1: yes; disclaimer.marketing: no"


@pytest.mark.parametrize(
    ("broken", "meaning"),
    [
        pytest.param(broken, OTHERWISE.get(what, MEANS[meanings[2]]), id=f"lead: {what}")
        for what, broken, meanings in MATRIX
    ],
)
def test_each_fault_has_its_meaning_and_passes(world: World, broken: Broken, meaning: Meaning) -> None:
    anything: Any = world
    broken.begin(anything, "status")
    if meaning is None:
        assert world.lead()["id"] == "77"
    else:
        with pytest.raises(meaning) as raised:
            world.lead()
        assert type(raised.value) is meaning
        assert world.vault.kept["access_token"] not in str(raised.value)
    world.repair()
    assert world.lead()["id"] == "77"


def test_a_token_that_was_rotated_is_read_again_once(world: World) -> None:
    world.remote.remote.rotate("graph", "access_token")
    assert world.lead()["id"] == "77"
    assert world.vault.reads == ["cached", "anew"]
    assert [call["status"] for call in world.calls] == [400, 200]


def test_a_token_that_is_wrong_for_good_is_tried_once(world: World) -> None:
    world.vault.replace(access_token="EAAwrong")
    with pytest.raises(Misconfigured) as refused:
        world.lead()
    assert refused.value.code is ErrorCode.CREDENTIALS_REFUSED
    assert len(world.calls) == 1


def test_a_secret_that_was_just_read_is_not_read_again(world: World) -> None:
    world.remote.remote.rotate("graph")
    world.vault.just_read = True
    with pytest.raises(Misconfigured):
        world.lead()
    assert len(world.calls) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"secrets": ["another-apps"]}, ErrorCode.REQUEST_REFUSED),
        ({"access_token": ""}, ErrorCode.SECRET_INCOMPLETE),
        ({"graph_url": "no address"}, ErrorCode.SECRET_INCOMPLETE),
        ({"graph_url": "ftp://graph"}, ErrorCode.ADDRESS_INVALID),
    ],
)
def test_what_a_person_must_fix_is_named(world: World, changes: dict[str, Any], code: ErrorCode) -> None:
    world.vault.replace(**changes)
    with pytest.raises(Misconfigured) as caught:
        world.lead()
    assert caught.value.code is code
    assert caught.value.data.get("fields", [*changes]) == [*changes]
    world.repair()
    assert world.lead()["id"] == "77"


def test_a_missing_lead_is_distinguished_from_other_errors(world: World) -> None:
    world.remote.remote.delete("graph/leads/77")
    with pytest.raises(Misconfigured, match="the lead does not exist or is not visible to us"):
        world.lead()


def test_graphs_own_rate_limit_is_known(world: World) -> None:
    for status in (400, 403, 429):
        world.remote.remote.arm("graph", "lead", {"kind": "rate_limit", "status": status})
        with pytest.raises(RateLimited):
            world.lead()


def test_no_token_is_in_the_log_of_calls(world: World) -> None:
    world.lead()
    assert world.vault.kept["access_token"] not in json.dumps(world.calls)
