"""The sandbox's Graph: strict about token and proof, and with Meta's own errors."""

import hashlib
import hmac
import json
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from devstack.sandbox.remote import ControlError, Remote
from devstack.sandbox.server import Sandbox

Asked = tuple[int, dict[str, Any]]


def ask(sandbox: Sandbox, leadgen_id: str = "77", *, token: str | None = None, proof: str = "", **query: str) -> Asked:
    """Read a lead; good credentials unless told otherwise, an empty token or a proof "none" for none at all."""
    known = sandbox.secrets()["graph"]
    token = known["access_token"] if token is None else token
    right = hmac.digest(known["app_secret"].encode(), token.encode(), hashlib.sha256).hex()
    asked = query | ({} if proof == "none" else {"appsecret_proof": proof or right})
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urlopen(Request(f"{known['graph_url']}/{leadgen_id}?{urlencode(asked)}", headers=headers)) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.fixture
def lead(remote: Remote) -> dict[str, Any]:
    remote.reset()
    answers = {"full_name": "Прикладенко", "вибір": ["а", "б"]}
    return dict(remote.post("graph/leads", {"answers": answers, "leadgen_id": "77"}))


def test_a_lead_is_reported_with_the_fields_that_are_asked_for(sandbox: Sandbox, lead: dict[str, Any]) -> None:
    assert ask(sandbox) == (200, {name: lead[name] for name in ("created_time", "id", "field_data")})
    assert ask(sandbox, fields="platform,form_id") == (
        200,
        {"platform": "fb", "form_id": "234567890123456", "id": "77"},
    )
    assert lead["field_data"][1] == {"name": "вибір", "values": ["а", "б"]}


def test_the_boxes_of_a_custom_disclaimer_are_reported_if_they_are_asked_for(sandbox: Sandbox, remote: Remote) -> None:
    remote.reset()
    boxes = [{"checkbox_key": "optional_1", "is_checked": "1"}, {"checkbox_key": "marketing", "is_checked": ""}]
    remote.post("graph/leads", {"answers": {}, "leadgen_id": "77", "custom_disclaimer_responses": boxes})
    assert ask(sandbox, fields="custom_disclaimer_responses") == (
        200,
        {"id": "77", "custom_disclaimer_responses": boxes},
    )
    assert ask(sandbox)[1].keys() == {"id", "created_time", "field_data"}


@pytest.mark.parametrize(
    ("options", "code", "subcode"),
    [
        ({"token": ""}, 104, None),
        ({"token": "EAAwrong"}, 190, None),
        ({"proof": "none"}, 100, None),
        ({"proof": "0" * 64}, 100, None),
        ({"fields": "id,colour"}, 100, None),
        ({"leadgen_id": "78"}, 100, 33),
    ],
)
def test_what_is_wrong_is_reported_by_its_code(
    sandbox: Sandbox, lead: dict[str, Any], options: dict[str, str], code: int, subcode: int | None
) -> None:
    status, answer = ask(sandbox, **options)
    assert status == 400
    assert (answer["error"]["code"], answer["error"].get("error_subcode")) == (code, subcode)
    assert answer["error"]["fbtrace_id"]


def test_the_frame_refuses_in_graphs_words(sandbox: Sandbox, remote: Remote, lead: dict[str, Any]) -> None:
    assert ask(sandbox, "me/leads")[1]["error"]["type"] == "GraphMethodException"
    remote.arm("graph", "lead", {"kind": "rate_limit", "status": 400})
    assert ask(sandbox)[1]["error"]["code"] == 4


def test_a_rotated_token_is_the_only_one_that_is_taken(sandbox: Sandbox, remote: Remote, lead: dict[str, Any]) -> None:
    old = sandbox.secrets()["graph"]["access_token"]
    assert remote.rotate("graph")["access_token"] != old
    assert ask(sandbox, token=old)[1]["error"]["code"] == 190
    assert ask(sandbox)[0] == 200


def test_leads_are_numbered_and_deleted(sandbox: Sandbox, remote: Remote) -> None:
    first, second = (remote.post("graph/leads", {"answers": {}})["id"] for _ in range(2))
    assert first != second
    remote.delete(f"graph/leads/{first}")
    assert (ask(sandbox, first)[0], ask(sandbox, second)[0]) == (400, 200)
    with pytest.raises(ControlError, match="404"):
        remote.delete(f"graph/leads/{first}")
    with pytest.raises(ControlError, match="400"):
        remote.post("graph/leads", {"answers": {}, "leadgen_id": "me"})
