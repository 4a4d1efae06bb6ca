"""POST /webhooks/{source}: a form's post becomes a stored lead, and the form hears so at once.

GET asks, for Meta, whether the address is ours; OPTIONS, for a browser, whether a page may post to it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from leadbridge.api.browsers import Visitor, foreign
from leadbridge.api.problems import Problem, Response, answer, busy, internal
from leadbridge.auth.secrets import Secrets
from leadbridge.auth.signatures import SignatureInvalid
from leadbridge.domain.clock import utc_now
from leadbridge.domain.consent import Consent
from leadbridge.domain.errors.secret_errors import SecretMissing
from leadbridge.domain.fields import has_valid_check_digit
from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.domain.lead import InvalidLead, Lead, LeadFields
from leadbridge.forms import base
from leadbridge.runtime import aws
from leadbridge.runtime.aws_errors import is_transient
from leadbridge.runtime.environment import SharedEnvironment, TableEnvironment
from leadbridge.runtime.logs import count, count_version_fault, logger, metrics
from leadbridge.runtime.warmup import warm_up
from leadbridge.services import receive_lead
from leadbridge.settings import self_check, settings
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.quota import QuotaExceeded
from leadbridge.storage.table import open_table

UNKNOWN_SOURCE = "unknown"  # what is logged where no source of the given name is configured
RETRY_AFTER = 10  # seconds, for a post that was refused for a temporary reason


class Environment(SharedEnvironment, TableEnvironment):
    """The environment variables of this function."""


@lru_cache
def environment() -> Environment:
    """Return the environment variables."""
    return Environment.from_env()


@lru_cache
def store() -> LeadRepository:
    """The table of leads."""
    return LeadRepository(open_table())


@lru_cache
def receiver() -> receive_lead.LeadReceiver:
    """The receiver that receives posts, wired to this stack."""
    secrets = Secrets(aws.secrets_manager(), environment().secrets_prefix)

    def source_credentials(source: str, fresh: bool) -> dict[str, Any]:
        if source == self_check.SOURCE:
            return {"secrets": self_check.signing_secrets(secrets.get(self_check.SOURCE))}
        renewed = secrets.refresh("sources", entry=source) if fresh else None
        entry = (renewed or secrets.get("sources")).get(source)
        return entry if isinstance(entry, dict) else {}

    def hashed(value: str) -> str:
        return keyed_hash(secrets.get("index")["key"], value)

    return receive_lead.LeadReceiver(settings(), store(), source_credentials, hashed, utc_now)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> Response:
    """Gateway proxy event in, proxy response out; whatever happens, the form gets an answer."""
    source = (event.get("pathParameters") or {}).get("source") or ""
    visitor = Visitor()
    try:
        # A path is untrusted text: a sender may have put a token or a phone number into it.
        logger.append_keys(source=source if source in settings().sources else UNKNOWN_SOURCE)
        match event.get("httpMethod"):
            case "GET":
                return verify(source, event)
            case "OPTIONS":
                return preflight(source, event)
            case _:
                visitor = Visitor.of(event, settings().sources.get(source))
                return visitor.taken(told(source, receive(source, event, visitor)))
    except Problem as problem:
        if problem.slug == "not-ready":  # counted apart, for anybody may post to a source that has no secret
            count("SourceNotReady")
        else:
            count("ReceptionErrors" if problem.status >= 500 else "LeadsRefused")
        logger.info("refused", problem=problem.slug, status=problem.status, fields=[e.field for e in problem.errors])
        return visitor.refused(problem)
    except Exception as error:  # the outermost edge: the form tries again, the alarm on errors rings
        if is_transient(error):  # no fault of the version that runs
            count("ReceptionBusy")
            logger.warning("AWS did not answer in time", exc_info=True)
            return visitor.refused(busy())
        count("ReceptionErrors")
        count_version_fault(error)
        logger.exception("could not receive")
        return visitor.refused(internal())


def verify(source: str, event: dict[str, Any]) -> Response:
    """Answer a builder that asks whether the address is ours; raises Problem."""
    try:
        challenge = receiver().answer_challenge(source, event.get("queryStringParameters") or {})
    except receive_lead.UnknownSource:
        raise unknown_source() from None
    except SignatureInvalid as reason:
        raise Problem(403, "not-verified", "Not verified", f"{str(reason).capitalize()}.") from None
    except SecretMissing:
        raise not_ready() from None
    count("AddressesVerified")
    logger.info("verified")
    headers = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
    return {"statusCode": 200, "headers": {**headers, "Cache-Control": "no-store"}, "body": challenge}


def preflight(source: str, event: dict[str, Any]) -> Response:
    """Answer a browser that asks whether a page may post; raises Problem."""
    known = settings().sources.get(source)
    if known is None:
        raise unknown_source()
    response = Visitor.of(event, known).preflight()
    count("PreflightsAnswered" if response["statusCode"] == 204 else "PreflightsRefused")
    logger.info("asked before a post", status=response["statusCode"])
    return response


def unknown_source() -> Problem:
    """There is no such source."""
    return Problem(404, "unknown-source", "Unknown source", "No source of this name is configured.")


def not_ready() -> Problem:
    """The source cannot be told from others for now."""
    detail = "This source has no secret yet. Please try again."
    return Problem(503, "not-ready", "Not ready", detail, retry_after=RETRY_AFTER)


def receive(source: str, event: dict[str, Any], visitor: Visitor) -> receive_lead.ReceiveResult:
    """Receive one post; raises Problem for whatever the sender can hear about."""
    if visitor.is_foreign:
        raise foreign()
    try:
        return receiver().receive(source, base.Request.of(event, receiver().max_body_bytes(source)))
    except receive_lead.UnknownSource:
        raise unknown_source() from None
    except base.TooLarge:
        detail = f"A post may have {receiver().max_body_bytes(source) // 1024} KiB at most."
        raise Problem(413, "too-large", "Body too large", detail) from None
    except base.UnsupportedType as types:
        detail = f"This source sends {types}."
        raise Problem(415, "unsupported-type", "Unsupported content type", detail) from None
    except SignatureInvalid as reason:
        raise Problem(401, "bad-proof", "Proof of origin failed", f"{str(reason).capitalize()}.") from None
    except base.Unreadable as reason:
        raise Problem(400, "unreadable", "Unreadable body", f"{str(reason).capitalize()}.") from None
    except (receive_lead.SourceSecretMissing, SecretMissing):
        raise not_ready() from None
    except receive_lead.StoredPartially:
        detail = "Not all of these leads could be stored in time. Please send them again."
        raise Problem(503, "unfinished", "Unfinished", detail, retry_after=RETRY_AFTER) from None
    except QuotaExceeded as seconds:
        detail = "This source has brought as many leads as it may in a minute."
        raise Problem(429, "too-many", "Too many leads", detail, retry_after=int(seconds.args[0])) from None
    except InvalidLead as lead:
        detail = "The lead cannot be accepted; see errors."
        raise Problem(422, "invalid-lead", "Invalid lead", detail, lead.errors) from None


def told(source: str, received: receive_lead.ReceiveResult) -> Response:
    """What the sender hears of a post that was taken."""
    several = {"lead_ids": list(received.lead_ids)} if received.lead_ids else {}
    if received.kind is not receive_lead.ReceiveStatus.HONEYPOT:
        logger.append_keys(lead_id=received.lead_id, **several)
    match received.kind:
        case receive_lead.ReceiveStatus.TEST:
            count("TestPings")
            logger.info("test ping")
            return answer(200, {"status": "test"})
        case receive_lead.ReceiveStatus.IGNORED:
            count("PostsIgnored")
            logger.info("ignored")
            return answer(200, {"status": "ignored"})
        case receive_lead.ReceiveStatus.HONEYPOT:
            count("HoneypotCaught")
            logger.info("caught by the honeypot")
        case receive_lead.ReceiveStatus.NEW:
            count("LeadsReceived", received.stored)
            logger.info("received")
        case receive_lead.ReceiveStatus.REDELIVERY:
            count("LeadsRedelivered")
            logger.info("redelivered")
    if received.changed is not None:
        count("RedeliveriesChanged")
        logger.warning("redelivered with other content", fields=list(received.changed))
    if received.status is not None:
        return answer(200, {"lead_id": received.lead_id, "status": received.status, "duplicate": True, **several})
    taken = settings().sources[source].answer
    return answer(taken, {"lead_id": received.lead_id, "status": "received", **several})


def readers() -> None:
    """What reads the posts of all sources, and checks what a lender's leads have."""
    for source in settings().sources.values():
        base.adapter_named(source.adapter)
    has_valid_check_digit("0" * 10)


warm_up(environment, receiver, readers, *(model.model_rebuild for model in (LeadFields, Lead, Consent)))
