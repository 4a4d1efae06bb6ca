"""Answer the requests to /webhooks/{source}: posts, verification of the address (GET), preflight (OPTIONS)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from leadbridge.api.browsers import Visitor, foreign_origin
from leadbridge.api.problems import Problem, Response, answer, busy, field_error_view, internal, not_ready
from leadbridge.auth.signatures import SignatureInvalid
from leadbridge.domain.errors.secret_errors import SecretMissing
from leadbridge.domain.lead import InvalidLead
from leadbridge.forms import base
from leadbridge.runtime.aws_errors import is_transient
from leadbridge.runtime.logs import count, count_version_fault, logger
from leadbridge.services.receive_lead import (
    LeadReceiver,
    ReceiveResult,
    ReceiveStatus,
    SourceSecretMissing,
    StoredPartially,
    UnknownSource,
)
from leadbridge.settings import Settings
from leadbridge.storage.quota import QuotaExceeded
from leadbridge.storage.statistics import posts
from leadbridge.storage.statistics.posts import RefusedLead

UNKNOWN_SOURCE = "unknown"  # logged instead of a name that is not configured
RETRY_AFTER = 10  # seconds
TEST_ROUTE = "/sources/{source}/test"  # an operator's request; the gateway has checked the token
# Posts that bring no new lead, as the statistics of the sources count them. Refused ones have the problem's name.
COUNTED_AS = {
    ReceiveStatus.REDELIVERY: posts.REPEATED,
    ReceiveStatus.TEST: posts.TEST,
    ReceiveStatus.IGNORED: posts.IGNORED,
    ReceiveStatus.HONEYPOT: posts.HONEYPOT,
}
UNFINISHED = "unfinished"  # the problem of a post whose leads were stored in part; it is not counted


def answer_request(event: dict[str, Any], make_receiver: Callable[[], LeadReceiver]) -> Response:
    """Answer a gateway proxy event. Every exception becomes a response."""
    source = (event.get("pathParameters") or {}).get("source") or ""
    visitor = Visitor()
    try:
        receiver = make_receiver()
        settings = receiver.settings
        # The path is untrusted text: a sender may have put a token or a phone number into it.
        logger.append_keys(source=source if source in settings.sources else UNKNOWN_SOURCE)
        match event.get("httpMethod"):
            case "GET":
                return _verify_address(source, event, receiver)
            case "OPTIONS":
                return _answer_preflight(source, event, settings)
            case _ if event.get("resource") == TEST_ROUTE:
                return _answer_result(source, _test(source, receiver), settings)
            case _:
                visitor = Visitor.of(event, settings.sources.get(source))
                result = _receive(source, event, visitor, receiver)
                return visitor.accepted(_answer_result(source, result, settings))
    except Exception as error:  # noqa: BLE001 - the outermost edge
        return visitor.rejected(refusal_of(error, "LeadsRefused"))


def refusal_of(error: Exception, metric: str) -> Problem:
    """Return the problem for an exception; log and count it. `metric` counts problems of the sender's.

    A fault is counted as `ReceptionErrors`, a transient error of AWS as `ReceptionBusy`. A secret without a value is
    counted as `SourceNotReady`: anyone may post to a source without one.
    """
    match error:
        case Problem():
            if error.slug == "not-ready":
                count("SourceNotReady")
            else:
                count("ReceptionErrors" if error.status >= 500 else metric)
            fields = [one.field for one in error.errors]
            logger.info("rejected", problem=error.slug, status=error.status, fields=fields)
            return error
        case _ if is_transient(error):
            count("ReceptionBusy")
            logger.warning("AWS did not answer in time", exc_info=error)
            return busy()
        case _:
            count("ReceptionErrors")
            count_version_fault(error)
            logger.error("the request failed", exc_info=error)
            return internal()


def _verify_address(source: str, event: dict[str, Any], receiver: LeadReceiver) -> Response:
    """Answer the verification request of a form builder. Raises Problem."""
    try:
        challenge = receiver.answer_challenge(source, event.get("queryStringParameters") or {})
    except UnknownSource:
        raise _unknown_source() from None
    except SignatureInvalid as reason:
        raise Problem(403, "not-verified", "Not verified", sentence(reason)) from None
    except SecretMissing:
        raise _source_not_ready() from None
    count("AddressesVerified")
    logger.info("address verified")
    headers = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
    return {"statusCode": 200, "headers": {**headers, "Cache-Control": "no-store"}, "body": challenge}


def _answer_preflight(source: str, event: dict[str, Any], settings: Settings) -> Response:
    """Answer a browser's preflight request. Raises Problem."""
    configured = settings.sources.get(source)
    if configured is None:
        raise _unknown_source()
    response = Visitor.of(event, configured).preflight()
    count("PreflightsAnswered" if response["statusCode"] == 204 else "PreflightsRefused")
    logger.info("preflight answered", status=response["statusCode"])
    return response


def _test(source: str, receiver: LeadReceiver) -> ReceiveResult:
    """Take a test post that is signed with the source's own secret. Raises Problem."""
    try:
        return receiver.test(source)
    except UnknownSource:
        raise _unknown_source() from None
    except (SourceSecretMissing, SecretMissing):
        raise _source_not_ready() from None


def _receive(source: str, event: dict[str, Any], visitor: Visitor, receiver: LeadReceiver) -> ReceiveResult:
    """Receive one post, and count it if it brings no new lead. Raises Problem."""
    try:
        result = _take(source, event, visitor, receiver)
    except InvalidLead as lead:
        detail = "The lead is not valid; see errors."
        problem = Problem(422, "invalid-lead", "Invalid lead", detail, lead.errors)
        receiver.posts.count(source, problem.slug, receiver.clock(), RefusedLead(lead.errors, lead.unused))
        raise problem from None
    except Problem as problem:
        if problem.slug != UNFINISHED:
            receiver.posts.count(source, problem.slug, receiver.clock())
        raise
    if (kind := COUNTED_AS.get(result.kind)) is not None:
        receiver.posts.count(source, kind, receiver.clock())
    return result


def _take(source: str, event: dict[str, Any], visitor: Visitor, receiver: LeadReceiver) -> ReceiveResult:
    """Receive one post. Raises Problem, InvalidLead."""
    if visitor.is_foreign:
        raise foreign_origin()
    try:
        max_bytes = receiver.max_body_bytes(source)  # an unknown source is answered before the body is read
        return receiver.receive(source, base.Request.of(event, max_bytes))
    except UnknownSource:
        raise _unknown_source() from None
    except base.TooLarge:
        raise too_large(receiver.max_body_bytes(source)) from None
    except base.UnsupportedType as types:
        detail = f"This source accepts {types}."
        raise Problem(415, "unsupported-type", "Unsupported content type", detail) from None
    except SignatureInvalid as reason:
        raise not_authentic(sentence(reason)) from None
    except base.Unreadable as reason:
        raise unreadable(reason) from None
    except (SourceSecretMissing, SecretMissing):
        raise _source_not_ready() from None
    except StoredPartially:
        detail = "Not all leads could be stored in time. Please send them again."
        raise Problem(503, UNFINISHED, "StoredPartially", detail, retry_after=RETRY_AFTER) from None
    except QuotaExceeded as seconds:
        detail = "This source has reached its limit of leads per minute."
        raise Problem(429, "rate-limited", "Rate limited", detail, retry_after=int(seconds.args[0])) from None


def _answer_result(source: str, result: ReceiveResult, settings: Settings) -> Response:
    """Count and log a result, and return its response."""
    several = {"lead_ids": list(result.lead_ids)} if result.lead_ids else {}
    if result.kind is not ReceiveStatus.HONEYPOT:
        logger.append_keys(lead_id=result.lead_id, **several)
    match result.kind:
        case ReceiveStatus.TEST:
            count("TestPings")
            logger.info("test ping")
            return answer(200, {"status": "test"})
        case ReceiveStatus.IGNORED:
            count("PostsIgnored")
            logger.info("ignored")
            return answer(200, {"status": "ignored"})
        case ReceiveStatus.HONEYPOT:
            count("HoneypotPosts")
            logger.info("honeypot filled in")
        case ReceiveStatus.NEW:
            count("LeadsReceived", result.stored)
            logger.info("received", problems=[f"{one.field} {one.code.value}".strip() for one in result.problems])
        case ReceiveStatus.REDELIVERY:
            count("LeadsRedelivered")
            logger.info("redelivered")
    if result.changed is not None:
        count("RedeliveriesChanged")
        logger.warning("redelivered with other content", fields=list(result.changed))
    if result.status is not None:
        return answer(200, {"lead_id": result.lead_id, "status": result.status, "duplicate": True, **several})
    status = settings.sources[source].answer
    if result.problems:
        errors = [field_error_view(one) for one in result.problems]
        return answer(status, {"lead_id": result.lead_id, "status": "incomplete", "errors": errors, **several})
    return answer(status, {"lead_id": result.lead_id, "status": "received", **several})


def sentence(reason: Exception) -> str:
    """Return an exception's text as a sentence."""
    text = str(reason)
    return f"{text[:1].upper()}{text[1:]}."


def not_authentic(detail: str) -> Problem:
    """Return the problem for a post without a valid signature or token."""
    return Problem(401, "not-authentic", "Not authentic", detail)


def too_large(max_bytes: int = base.MAX_BYTES) -> Problem:
    """Return the problem for a body that is too long."""
    return Problem(413, "too-large", "Body too large", f"A body may have at most {max_bytes // 1024} KiB.")


def unreadable(reason: base.Unreadable) -> Problem:
    """Return the problem for a body that cannot be parsed."""
    return Problem(400, "unreadable", "Unreadable body", sentence(reason))


def _unknown_source() -> Problem:
    return Problem(404, "unknown-source", "Unknown source", "No source with this name is configured.")


def _source_not_ready() -> Problem:
    return not_ready("This source has no secret yet. Please try again.", RETRY_AFTER)
