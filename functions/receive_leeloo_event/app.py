"""POST /partners/leeloo/{token}: what Leeloo tells of its own accord is kept, once, with the lead it is about."""

from __future__ import annotations

import hmac
from functools import lru_cache
from typing import Any

from leadbridge.api.problems import Problem, Response, answer, busy, not_ready, unexpected
from leadbridge.auth.secrets import Secrets
from leadbridge.domain.clock import utc_now
from leadbridge.domain.errors.secret_errors import SecretMissing
from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.forms import base
from leadbridge.forms.parsing.json_body import read_object
from leadbridge.runtime import aws
from leadbridge.runtime.aws_errors import is_transient
from leadbridge.runtime.environment import SharedEnvironment, TableEnvironment
from leadbridge.runtime.logs import count, count_version_fault, logger, metrics
from leadbridge.runtime.warmup import warm_up
from leadbridge.storage.leeloo_events import InvalidLeelooEvent, LeelooEvent, LeelooEventRepository
from leadbridge.storage.table import open_table


class Environment(SharedEnvironment, TableEnvironment):
    """The environment variables of this function."""


@lru_cache
def environment() -> Environment:
    """Return the environment variables."""
    return Environment.from_env()


@lru_cache
def secrets() -> Secrets:
    """This stack's secrets."""
    return Secrets(aws.secrets_manager(), environment().secrets_prefix)


@lru_cache
def inbox() -> LeelooEventRepository:
    """The inbox, wired to this stack."""

    def hashed(value: str) -> str:
        return keyed_hash(secrets().get("index")["key"], value)

    return LeelooEventRepository(open_table(), hashed, utc_now)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> Response:
    """Gateway proxy event in, proxy response out."""
    try:
        return receive((event.get("pathParameters") or {}).get("token") or "", event)
    except SecretMissing:
        # Counted apart: anybody may post while the secret has no usable value.
        count("SourceNotReady")
        logger.info("refused", problem="not-ready", status=503, exc_info=True)
        return not_ready("A secret has no usable value yet. Please try again.").response()
    except Problem as problem:
        count("LeelooEventsRefused")
        logger.info("refused", problem=problem.slug, status=problem.status)
        return problem.response()
    except Exception as error:  # the outermost edge
        if is_transient(error):  # no fault of the version that runs
            count("ReceptionBusy")
            logger.warning("AWS did not answer in time", exc_info=True)
            return busy().response()
        count("ReceptionErrors")
        count_version_fault(error)
        logger.exception("could not receive")
        return unexpected()


def receive(token: str, event: dict[str, Any]) -> Response:
    """Keep one event. Raises Problem, SecretMissing."""
    try:
        if not is_right(token):
            raise Problem(401, "bad-proof", "Proof of origin failed", "This address is not the one that was agreed.")
        request = base.Request.of(event)
        told = LeelooEvent.of(read_object(request.body), request.body)
    except base.TooLarge:
        raise Problem(413, "too-large", "Body too large", "A post may have 256 KiB at most.") from None
    except base.Unreadable as reason:
        raise Problem(400, "unreadable", "Unreadable body", f"{str(reason).capitalize()}.") from None
    except InvalidLeelooEvent as reason:
        raise Problem(422, "invalid-event", "Invalid event", f"{str(reason).capitalize()}.") from None
    is_new, lead_id = inbox().store(told)
    count("LeelooEvents" if is_new else "LeelooEventsRepeated")
    logger.info("kept" if is_new else "kept before", lead_id=lead_id)
    return answer(202, {"status": "received", **({} if is_new else {"duplicate": True})})


def is_right(token: str) -> bool:
    """Whether this is the `webhook_token` of the secret, compared in constant time; read anew once before it is not."""
    given = token.encode(errors="surrogatepass")

    def fits(secret: dict[str, Any] | None) -> bool:
        known = (secret or {}).get("webhook_token")
        return isinstance(known, str) and bool(known) and hmac.compare_digest(given, known.encode())

    return fits(secrets().get("leeloo")) or fits(secrets().refresh("leeloo"))


warm_up(environment, inbox, secrets)
