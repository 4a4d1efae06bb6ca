"""What docs/feedback.md shows of the settings and the secret, and what each tracker gets with it."""

import json
import tomllib
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from leadbridge.domain.feedback.postback import Postback
from leadbridge.partners.feedback.kinds import KINDS, check_entry
from leadbridge.settings.sources import TrackerSettings
from quality.testkit.documents import blocks
from quality.testkit.people import NOW, lead

SHOWN = [block for block in blocks() if block.page.name == "feedback.md"]
SECRETS = {
    tracker: entry
    for block in SHOWN
    if block.language == "json" and "url" in block.text
    for tracker, entry in json.loads(block.text).items()
}
LEAD = lead().model_copy(update={"ids": {"click_id": "a click&1"}})
SALE = Postback(
    LEAD.lead_id, "evt_" + "0" * 32, "tracker", "leadleader", "web", 5, "issued", "sale", NOW, payout="25", due_at=NOW
)


def test_the_settings_are_valid() -> None:
    (shown,) = [tomllib.loads(block.text) for block in SHOWN if block.language == "toml"]
    assert TrackerSettings.model_validate(shown["web"]["feedback"]["keitaro"]).payout == {"issued": 25}


def test_each_tracker_has_an_entry_and_each_entry_is_accepted() -> None:
    assert SECRETS.keys() == {"keitaro", "binom", "crm"}
    for entry in SECRETS.values():
        check_entry(entry, kind=None, is_local=False)


@pytest.mark.parametrize(
    ("tracker", "query"),
    [
        ("keitaro", {"subid": "a click&1", "status": "sale", "payout": "25", "currency": "usd", "tid": LEAD.lead_id}),
        ("binom", {"cnv_id": "a click&1", "payout": "25", "cnv_status": "sale"}),
    ],
)
def test_a_tracker_gets_its_parameters(tracker: str, query: dict[str, str]) -> None:
    request = KINDS["url"].request(SECRETS[tracker], replace(SALE, tracker=tracker), LEAD, 0.0, is_local=False)
    assert request.method == "GET"
    sent = parse_qs(urlsplit(request.url.target).query, keep_blank_values=True)
    assert sent == {name: [value] for name, value in query.items()}
