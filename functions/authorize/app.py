"""Who may use the operator's routes: the bearer of one of the tokens in the secret `{prefix}/operators`."""

from __future__ import annotations

import hmac
from functools import lru_cache
from typing import Any

from leadbridge.auth.secrets import Secrets
from leadbridge.domain.errors.secret_errors import SecretMissing
from leadbridge.runtime import aws
from leadbridge.runtime.environment import SharedEnvironment
from leadbridge.runtime.logs import count, logger, metrics
from leadbridge.runtime.warmup import warm_up


class Environment(SharedEnvironment):
    """The environment variables of this function."""


@lru_cache
def environment() -> Environment:
    """Return the environment variables."""
    return Environment.from_env()


@lru_cache
def secrets() -> Secrets:
    """This stack's secrets."""
    return Secrets(aws.secrets_manager(), environment().secrets_prefix)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A gateway's token authorizer event in, a policy out: it lets the operator in, or nobody.

    The gateway answers a refusal with 401 (`ACCESS_DENIED` in the template). It is no failure of the function, so that
    the function's errors are faults of ours alone, which nobody can cause by a wrong token.
    """
    operator = operator_with(str(event.get("authorizationToken") or ""))
    if operator is None:
        count("OperatorsRefused")
        logger.info("refused")
        return {"principalId": "nobody", "policyDocument": policy("Deny", event["methodArn"])}
    count("OperatorsAuthorized")
    logger.info("let in", operator=operator)
    return {
        "principalId": operator,
        "policyDocument": policy("Allow", event["methodArn"]),
        "context": {"operator": operator},
    }


def policy(effect: str, method: str) -> dict[str, Any]:
    """The policy about all routes of the API's stage that `method` (an ARN) is of."""
    api, stage = method.split("/", 2)[:2]
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": f"{api}/{stage}/*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def operator_with(header: str) -> str | None:
    """The name of the operator whose token the header bears; every token is compared, none cut short."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        return None
    try:
        return bearer(token, secrets().get("operators")) or bearer(token, secrets().refresh("operators") or {})
    except SecretMissing:
        logger.error("there are no operators yet")
        return None


def bearer(token: str, tokens: dict[str, Any]) -> str | None:
    """The operator among `tokens` ({name: token}) whose token this is, compared in constant time."""
    given = token.encode(errors="surrogatepass")
    found = None
    for name, known in tokens.items():
        if isinstance(known, str) and known and hmac.compare_digest(given, known.encode()):
            found = name
    return found


warm_up(environment, secrets)
