"""What the functions in containers find: a secret for every source, partners, and the leads of the sample events."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from devstack.sandbox.server import Sandbox
from devstack.workdir import PROJECT
from leadbridge.domain.lead import Lead, Loan, Person, Trading, lead_id_of
from quality.testkit.lambda_runtime.samples import sample
from tools.config import read_toml

SECRET = "whsec_c2FtcGxlLXNlY3JldC1vZi10aGUtdGVzdHMhISEh"
SOURCES = sorted(read_toml(PROJECT / "config", "local")["sources"])
OPERATOR = sample("Authorize", "good")["authorizationToken"].removeprefix("Bearer ")
SOME_TIME_AGO = datetime(2026, 3, 1, 12, tzinfo=UTC)


def secrets_of(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    """Every secret of the stack, by name."""
    partners = sandbox.secrets()
    graph = partners.pop("graph")
    verify_token = sample("ReceiveLead", "meta_verify")["queryStringParameters"]["hub.verify_token"]
    for_meta = {"verify_token": verify_token, "access_token": graph["access_token"], "graph_url": graph["graph_url"]}
    partners["leeloo"]["webhook_token"] = sample("ReceiveLeelooEvent", "order")["pathParameters"]["token"]
    alerts = {"telegram": partners.pop("telegram")}
    return {
        **partners,
        "alerts": alerts,
        "sources": {name: {"secrets": [SECRET], **(for_meta if "meta" in name else {})} for name in SOURCES},
        "index": {"key": "a-key"},
        "operators": {"olena": OPERATOR},
    }


def lead_of(case: str) -> Lead:
    """The lead of a signed sample, received and nothing more."""
    event = sample("ReceiveLead", case)
    source, body = event["pathParameters"]["source"], json.loads(event["body"], parse_float=Decimal)
    return Lead(
        lead_id=lead_id_of(source, f"id:{event['headers']['webhook-id']}"),
        source=source,
        received_at=SOME_TIME_AGO,
        partners=("matchtrade",) if "trading" in body else ("leadleader",),
        person=Person(**body["person"]),
        loan=Loan(**body.get("loan", {})),
        trading=Trading(**body.get("trading", {})),
    )
