"""The targets that the secret `{prefix}/alerts` names.

{"telegram": {"token": "123:abc", "chats": ["-100123"], "base_url"}, "webhooks": {name: {"url", "secret"}}}

Both parts are optional. A part that is wrong leaves the other one in use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from leadbridge.auth.secret_forms import webhook_key
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import Misconfigured
from leadbridge.partners.alerts.telegram import BASE_URL, PARTNER, TelegramChat
from leadbridge.partners.http import Transport, is_confidential
from leadbridge.settings.sections import Timeouts

if TYPE_CHECKING:
    from leadbridge.runtime.budget import Budget
    from leadbridge.services.ports.alerts import AlertTarget, OutgoingMessage

SECRET = "alerts"  # noqa: S105 - its name
TELEGRAM_KEYS, WEBHOOK_KEYS = ("token", "chats", "base_url"), ("url", "secret")
MAX_TARGETS = 10  # of each kind: an attempt must end before the function's timeout
MAX_ANSWER_BYTES = 65_536
MIN_KEY_BYTES = 24  # of a webhook's secret, as Standard Webhooks recommend
TIMEOUTS = Timeouts.model_construct(connect=timedelta(seconds=3), read=timedelta(seconds=10))

_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{10,100}")
_CHAT = re.compile(r"-?[0-9]{1,20}|@[A-Za-z][A-Za-z0-9_]{4,31}")
_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


def problems_of(secret: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a value of the secret. The texts name keys, never values."""
    found = [f"unknown key {name}" for name in sorted(set(secret) - {"telegram", "webhooks"})]
    if "telegram" in secret:
        found += _telegram_problems(secret["telegram"])
    if "webhooks" in secret:
        found += _webhook_problems(secret["webhooks"])
    return found


def targets_of(secret: Mapping[str, Any]) -> list[AlertTarget]:
    """Return the targets of a secret. What is wrong becomes a target that takes nothing, so alerts are e-mailed."""
    problems = problems_of(secret)
    targets: list[AlertTarget] = [BrokenTarget("; ".join(problems))] if problems else []
    telegram, webhooks = secret.get("telegram"), secret.get("webhooks")
    if isinstance(telegram, dict) and not _telegram_problems(telegram):
        transport = Transport(PARTNER, TIMEOUTS, max_answer_bytes=MAX_ANSWER_BYTES)
        base_url = telegram.get("base_url", BASE_URL)
        targets += [TelegramChat(transport, telegram["token"], chat, base_url) for chat in _chats(telegram)]
    if isinstance(webhooks, dict) and webhooks and not _webhook_problems(webhooks):
        from leadbridge.partners.alerts.webhook import AlertWebhook
        from leadbridge.partners.public_http import PublicClient, parse_url

        http = PublicClient()
        targets += [
            AlertWebhook(http, label, parse_url(entry["url"]), entry["secret"]) for label, entry in webhooks.items()
        ]
    return targets


@dataclass(frozen=True)
class BrokenTarget:
    """A part of the secret that cannot be used."""

    problem: str

    @property
    def name(self) -> str:
        """The name among the targets."""
        return "secret"

    def send(self, message: OutgoingMessage, budget: Budget) -> str:  # noqa: ARG002 - nothing is sent
        """Raise Misconfigured."""
        raise Misconfigured("alerts", "secret", self.problem, code=ErrorCode.SECRET_INCOMPLETE)


def _chats(telegram: Mapping[str, Any]) -> list[str]:
    return [*dict.fromkeys(str(chat) for chat in telegram["chats"])]


def _telegram_problems(telegram: Any) -> list[str]:
    if not isinstance(telegram, dict):
        return ["telegram must be an object with token and chats"]
    found = [f"telegram: unknown key {name}" for name in sorted(set(telegram) - set(TELEGRAM_KEYS))]
    token, chats, base_url = telegram.get("token"), telegram.get("chats"), telegram.get("base_url", BASE_URL)
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        found.append("telegram: token must be the token from BotFather, such as 123456:ABC-…")
    if not isinstance(chats, list) or not 1 <= len(chats) <= MAX_TARGETS:
        found.append(f"telegram: chats must be a list of 1 to {MAX_TARGETS} chat ids")
    elif not all(isinstance(chat, str | int) and _CHAT.fullmatch(str(chat)) for chat in chats):
        found.append("telegram: a chat id is a number such as -1001234567890, or @ and the name of a public channel")
    if not _is_address(base_url):
        found.append("telegram: base_url must begin with https://")
    return found


def _webhook_problems(webhooks: Any) -> list[str]:
    if not isinstance(webhooks, dict) or len(webhooks) > MAX_TARGETS:
        return [f"webhooks must be an object with at most {MAX_TARGETS} names"]
    found = []
    for label, entry in webhooks.items():
        if not _LABEL.fullmatch(label):
            found.append("webhooks: a name has up to 32 lower-case letters, digits and hyphens")
        elif not isinstance(entry, dict) or set(entry) != set(WEBHOOK_KEYS):
            found.append(f"webhooks: {label} needs url and secret, and nothing else")
        elif problem := _address_problem(entry["url"]):
            found.append(f"webhooks: the url of {label}: {problem}")
        elif not isinstance(entry["secret"], str) or len(webhook_key(entry["secret"])) < MIN_KEY_BYTES:
            found.append(f"webhooks: the secret of {label} must be whsec_ and at least {MIN_KEY_BYTES} bytes of base64")
    return found


def _address_problem(url: Any) -> str:
    """Return why a webhook's address is invalid; empty if it is valid. Its name is resolved with each call."""
    from leadbridge.partners.public_http import AddressInvalid, parse_url

    try:
        parse_url(str(url))
    except AddressInvalid as error:
        return str(error)
    return ""


def _is_address(url: Any) -> bool:
    return isinstance(url, str) and url.startswith(("https://", "http://")) and is_confidential(url)
