"""Authorize the operators' routes by the bearer tokens in the secret `{prefix}/operators`."""

from __future__ import annotations

import hmac
from functools import lru_cache
from typing import Any

from leadbridge.runtime.warmup import warm_up
from leadbridge.auth.secrets import Secrets
from leadbridge.domain.errors.secret_errors import SecretMissing
from leadbridge.runtime import aws
from leadbridge.runtime.environment import SharedEnvironment
from leadbridge.runtime.logs import count, logger, metrics


class Environment(SharedEnvironment):
    """The environment variables of this function."""


environment = lru_cache(Environment.from_env)


@lru_cache
def secrets() -> Secrets:
    """Make the reader of this stack's secrets."""
    return Secrets(aws.secrets_manager(), environment().secrets_prefix)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer a gateway's token authorizer event with a policy.

    The gateway answers a denial with 401 (`ACCESS_DENIED` in the template). A denial is not an error of the function,
    so no one can cause errors with a wrong token.
    """
    operator = operator_with(str(event.get("authorizationToken") or ""))
    if operator is None:
        count("OperatorsDenied")
        logger.info("denied")
        return {"principalId": "anonymous", "policyDocument": policy("Deny", event["methodArn"])}
    count("OperatorsAuthorized")
    logger.info("authorized", operator=operator)
    return {
        "principalId": operator,
        "policyDocument": policy("Allow", event["methodArn"]),
        "context": {"operator": operator},
    }


def policy(effect: str, method_arn: str) -> dict[str, Any]:
    """Return the policy for all routes of the method's API stage."""
    api, stage = method_arn.split("/", 2)[:2]
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": f"{api}/{stage}/*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def operator_with(header: str) -> str | None:
    """Return the name of the operator whose token is in the header, else None."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        return None
    try:
        return owner_of(token, secrets().get("operators")) or owner_of(token, secrets().refresh("operators") or {})
    except SecretMissing:
        logger.error("the secret of the operators has no value")
        return None


def owner_of(token: str, tokens: dict[str, Any]) -> str | None:
    """Return the owner of a token. `tokens` are tokens by operator. All are compared, in constant time."""
    given = token.encode(errors="surrogatepass")
    found = None
    for name, known in tokens.items():
        if isinstance(known, str) and known and hmac.compare_digest(given, known.encode()):
            found = name
    return found


warm_up(environment, secrets)
