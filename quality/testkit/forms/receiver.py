"""The real handler of receive_lead without AWS: leads are stored in a dictionary."""

import base64
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest

from events.sign import signed
from leadbridge.domain.clock import utc_now
from leadbridge.domain.fetch import Fetch
from leadbridge.domain.lead import Lead
from leadbridge.services.receive_lead import LeadReceiver
from leadbridge.settings import Settings
from leadbridge.storage.content_claims import ContentClaim
from leadbridge.storage.quota import Quota
from leadbridge.storage.statistics.posts import RefusedLead
from quality.testkit.fixtures import Context
from quality.testkit.handlers import load_function
from quality.testkit.template import ROOT
from tools.config import read_toml

EVENTS = ROOT / "events" / "receive_lead"
CURRENT, PREVIOUS = "the-current-secret-of-the-tests", "the-previous-secret-of-the-tests"

Answer = tuple[int, dict[str, Any]]


@dataclass
class InMemoryLeads:
    """Leads by their ids, and the claims on contents."""

    leads: dict[str, Lead] = field(default_factory=dict)
    claims: dict[str, ContentClaim] = field(default_factory=dict)

    def accept(
        self,
        lead: Lead,
        *,
        phone_hash: str | None,
        email_hash: str | None = None,
        tax_hash: str | None = None,
        name_hash: str | None = None,
        window: timedelta = timedelta(),
        fetch: Fetch | None = None,
        quota: Quota | None = None,
        retry_for: float = 0.0,
    ) -> str | None:
        """Keep a lead, unless it is here."""
        if lead.lead_id in self.leads:
            return lead.lead_id
        if window:
            held = self.claims.get(lead.content_hash or "")
            if held is not None and held.is_valid_at(lead.received_at):
                return held.lead_id
            claim = ContentClaim(lead.source, lead.content_hash or "", lead.lead_id, lead.received_at, window)
            self.claims[claim.content_hash] = claim
        self.leads[lead.lead_id] = lead
        return None

    def claim_content(self, claim: ContentClaim) -> ContentClaim:
        """Keep a claim, unless one is here."""
        held = self.claims.get(claim.content_hash)
        if held is None or not held.is_valid_at(claim.received_at):
            held = self.claims[claim.content_hash] = claim
        return held

    def note_change(
        self, posted: Lead, fields: tuple[str, ...], newer_answers: Mapping[str, str] | None = None
    ) -> bool:
        """Changes are noted in the table alone."""
        return False

    def known(self, lead_ids: Iterable[str]) -> set[str]:
        """Which of these are here."""
        return self.leads.keys() & set(lead_ids)

    def journey(self, lead_id: str) -> None:
        """What the handler asks of the store to tell a redelivery's status."""


@dataclass
class InMemoryPosts:
    """The posts that brought no new lead, by source and kind."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self, source: str, kind: str, now: datetime, refused: RefusedLead | None = None) -> None:
        """Count a post."""
        self.counts[source, kind] += 1


def secrets_of(source: str) -> list[str]:
    """The two secrets of a source: each source has its own."""
    texts = [f"{secret}-{source}" for secret in (CURRENT, PREVIOUS)]
    if source.startswith("web-") or source == "web":
        return ["whsec_" + base64.b64encode(text.encode()).decode() for text in texts]
    return texts


def configured(folder: Path = ROOT / "config") -> Settings:
    """The configuration as it is shipped to production."""
    return Settings.model_validate(_shipped() if folder == ROOT / "config" else read_toml(folder, "prod"))


@cache
def _shipped() -> dict[str, Any]:
    return read_toml(ROOT / "config", "prod")


@cache
def _read_only() -> Settings:
    """The configuration for those who only read it."""
    return configured()


@dataclass
class Endpoint:
    """The handler, and what it has kept."""

    app: ModuleType
    store: InMemoryLeads

    def respond(self, event: dict[str, Any]) -> dict[str, Any]:
        """The handler's whole response to a proxy event."""
        response: dict[str, Any] = self.app.handler(event, Context())
        return response

    def take(self, event: dict[str, Any]) -> Answer:
        """The handler's answer to a proxy event; every refusal must be a problem in the RFC's form."""
        response = self.respond(event)
        content = json.loads(response["body"])
        if response["statusCode"] >= 400:
            assert response["headers"]["Content-Type"] == "application/problem+json"
            assert {"type", "title", "status", "detail"} <= content.keys()
        return response["statusCode"], content

    def lead(self, answer: Answer) -> Lead:
        """The lead of an answer that says it was taken."""
        assert answer[0] in {200, 202}, answer
        return self.store.leads[answer[1]["lead_id"]]


@contextmanager
def opened(settings: Settings) -> Iterator[Endpoint]:
    """The handler with a configuration, an empty book, and two secrets for each source."""
    leads = InMemoryLeads()
    with patch.dict("os.environ", {"POWERTOOLS_METRICS_NAMESPACE": "leadbridge", "LEADBRIDGE_FLOW": "receive_lead"}):
        app = load_function("receive_lead", "receive_lead_in_memory")
        leads_receiver = LeadReceiver(
            settings,
            leads,
            lambda source, _: {"secrets": secrets_of(source)},
            lambda text: text,
            utc_now,
            InMemoryPosts(),
        )
        with patch.multiple(app, receiver=lambda: leads_receiver, settings=lambda: settings):
            yield Endpoint(app, leads)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """The handler with the shipped configuration."""
    with opened(configured()) as endpoint:
        yield endpoint


def adapter_of(case: str) -> str:
    """The adapter of the source that a sample is posted to."""
    return _read_only().sources[sample(case)["pathParameters"]["source"]].adapter


def cases() -> list[str]:
    """The posts that say all there is to say: what Meta posts only names a lead, which is to be fetched."""
    files = sorted(file.stem for file in EVENTS.glob("*.json"))
    return [case for case in files if sample(case)["httpMethod"] == "POST" and adapter_of(case) != "meta"]


def sample(case: str, **changed: Any) -> dict[str, Any]:
    """A sample event as it lies in the repository, with some of its parts changed."""
    event: dict[str, Any] = json.loads((EVENTS / f"{case}.json").read_text(encoding="utf-8"))
    return {**event, **changed}


def proven(event: dict[str, Any], which: int = 0) -> dict[str, Any]:
    """The event as its sender would send it now, with the current secret or the previous one."""
    return signed(event, secrets_of(event["pathParameters"]["source"])[which], int(time.time()))


def with_json(event: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """The event with some members of its JSON body changed."""
    return {**event, "body": json.dumps({**json.loads(event["body"]), **changed}, ensure_ascii=False)}


def with_headers(event: dict[str, Any], **changed: str | None) -> dict[str, Any]:
    """The event with some headers changed or (None) gone; `_` stands for `-`."""
    wanted = {name.replace("_", "-").lower(): value for name, value in changed.items()}
    headers = {name: value for name, value in event["headers"].items() if name.lower() not in wanted}
    return {**event, "headers": headers | {name: value for name, value in wanted.items() if value is not None}}
