"""POST /partners/leeloo/{token}: store an event of Leeloo's once, linked to its lead."""

from __future__ import annotations

import hmac
from functools import lru_cache
from typing import Any

from leadbridge.runtime.warmup import warm_up
from leadbridge.api.problems import Problem, Response, answer, not_ready
from leadbridge.api.webhooks import not_authentic, refusal_of, sentence, too_large, unreadable
from leadbridge.auth.secrets import Secrets
from leadbridge.domain.clock import utc_now
from leadbridge.domain.errors.secret_errors import SecretMissing
from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.forms import base
from leadbridge.forms.parsing.json_body import read_object
from leadbridge.runtime import aws
from leadbridge.runtime.environment import SharedEnvironment, TableEnvironment
from leadbridge.runtime.logs import count, logger, metrics
from leadbridge.storage.leeloo_events import InvalidLeelooEvent, LeelooEvent, LeelooEventRepository
from leadbridge.storage.table import open_table


class Environment(SharedEnvironment, TableEnvironment):
    """The environment variables of this function."""


environment = lru_cache(Environment.from_env)


@lru_cache
def secrets() -> Secrets:
    """Make the reader of this stack's secrets."""
    return Secrets(aws.secrets_manager(), environment().secrets_prefix)


@lru_cache
def inbox() -> LeelooEventRepository:
    """Wire the inbox to this stack."""
    return LeelooEventRepository(open_table(), lambda value: keyed_hash(secrets().get("index")["key"], value), utc_now)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> Response:
    """Answer a gateway proxy event."""
    try:
        return receive((event.get("pathParameters") or {}).get("token") or "", event)
    except SecretMissing:
        logger.info("a secret has no usable value", exc_info=True)
        return refusal_of(not_ready("A secret has no usable value. Please try again."), "").response()
    except Exception as error:  # the outermost edge
        return refusal_of(error, "LeelooEventsRefused").response()


def receive(token: str, event: dict[str, Any]) -> Response:
    """Store one event. Raises Problem, SecretMissing."""
    try:
        if not is_valid(token):
            raise not_authentic("The token in the path is wrong.")
        body = base.Request.of(event).body
        received = LeelooEvent.of(read_object(body), body)
    except base.TooLarge:
        raise too_large() from None
    except base.Unreadable as reason:
        raise unreadable(reason) from None
    except InvalidLeelooEvent as reason:
        raise Problem(422, "invalid-event", "Invalid event", sentence(reason)) from None
    is_new, lead_id = inbox().store(received)
    count("LeelooEvents" if is_new else "LeelooEventsRepeated")
    logger.info("stored" if is_new else "stored before", lead_id=lead_id)
    return answer(202, {"status": "received", **({} if is_new else {"duplicate": True})})


def is_valid(token: str) -> bool:
    """Compare a token with the secret's `webhook_token` in constant time. If it differs, read the secret again."""
    given = token.encode(errors="surrogatepass")

    def matches(secret: dict[str, Any] | None) -> bool:
        expected = (secret or {}).get("webhook_token")
        return isinstance(expected, str) and bool(expected) and hmac.compare_digest(given, expected.encode())

    return matches(secrets().get("leeloo")) or matches(secrets().refresh("leeloo"))


warm_up(environment, inbox, secrets)
