"""Telegram's Bot API (https://core.telegram.org/bots/api): send a message to a chat, or edit one.

Texts are plain: no parse mode, so nothing needs to be escaped. An answer is `{"ok": true, "result"}` or `{"ok": false,
"error_code", "description", "parameters"}`. The description is for people. `parameters` has `retry_after` in seconds,
and `migrate_to_chat_id` if a group has become a supergroup with a new id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import Misconfigured, PartnerError, RateLimited, Rejected, Unavailable
from leadbridge.runtime.logs import logger

if TYPE_CHECKING:
    from leadbridge.partners.http import Answer, Transport
    from leadbridge.runtime.budget import Budget
    from leadbridge.services.ports.alerts import OutgoingMessage

PARTNER = "telegram"
MAX_RETRY_AFTER = 3600  # seconds; Telegram names less
BASE_URL = "https://api.telegram.org"


@dataclass(frozen=True)
class TelegramChat:
    """One chat to which a bot writes."""

    transport: Transport
    token: str
    chat: str
    base_url: str = BASE_URL

    @property
    def name(self) -> str:
        """The name of the chat among the targets."""
        return f"{PARTNER} {self.chat}"

    def send(self, message: OutgoingMessage, budget: Budget) -> str:
        """Send a message, or edit one; return its id. If it cannot be edited, a new one is sent.

        Raises Rejected, Misconfigured, RateLimited, Unavailable, Unknown.
        """
        body: dict[str, Any] = {"text": message.text, "link_preview_options": {"is_disabled": True}}
        if message.edits.isdigit():
            try:
                self._call("editMessageText", {**body, "message_id": int(message.edits)}, budget)
            except Rejected as error:  # the message was deleted, or has this text already
                logger.info("the message could not be edited", reason=error.text)
            else:
                return message.edits
        if message.is_quiet:
            body["disable_notification"] = True
        if message.replies_to.isdigit():
            body["reply_parameters"] = {
                "message_id": int(message.replies_to),
                "allow_sending_without_reply": True,
            }
        sent = self._call("sendMessage", body, budget)
        number = sent.get("message_id") if isinstance(sent, dict) else None
        return str(number) if isinstance(number, int) else ""

    def verify(self, budget: Budget) -> str:
        """Return the title or name of the chat; the bot must be able to see it. Raises as `send` does."""
        found = self._call("getChat", {}, budget)
        names = [found.get(name) for name in ("title", "username", "first_name")] if isinstance(found, dict) else []
        return next((name for name in names if isinstance(name, str)), self.chat)

    def _call(self, method: str, body: dict[str, Any], budget: Budget) -> Any:
        """Call a method for the chat, and once more for its new id if it has one. Returns the result."""
        answer = self._post(method, self.chat, body, budget)
        moved = _parameters(answer).get("migrate_to_chat_id")
        if isinstance(moved, int):
            logger.warning("a chat has a new id: store it in the secret", chat=self.chat, new_chat=moved)
            answer = self._post(method, str(moved), body, budget)
        content = answer.json()
        if answer.status == 200 and isinstance(content, dict) and content.get("ok") is True:
            return content.get("result")
        raise _error(method, answer)

    def _post(self, method: str, chat: str, body: dict[str, Any], budget: Budget) -> Answer:
        url = f"{self.base_url.rstrip('/')}/bot{self.token}/{method}"
        return self.transport.call(method, "POST", url, json={"chat_id": chat, **body}, budget=budget)


def _error(method: str, answer: Answer) -> PartnerError:
    """Return the error of an answer. A 4xx that is not in Telegram's own format comes from a proxy."""
    content, data = answer.json(), {"http_status": answer.status}
    is_own = isinstance(content, dict) and content.get("ok") is False
    if answer.status == 429:
        retry_after = _parameters(answer).get("retry_after")
        wait = float(min(retry_after, MAX_RETRY_AFTER)) if isinstance(retry_after, int) else answer.retry_after
        return RateLimited(PARTNER, method, "Telegram limits the rate of messages", data=data, retry_after=wait)
    if not is_own or answer.status >= 500 or answer.status < 400:
        return Unavailable(PARTNER, method, f"Telegram did not accept the message (HTTP {answer.status})", data=data)
    if answer.status in {401, 404}:
        text = f"Telegram does not accept the bot's token (HTTP {answer.status})"
        return Misconfigured(PARTNER, method, text, code=ErrorCode.CREDENTIALS_REFUSED, data=data)
    if answer.status == 403:
        text = "the bot is not a member of the chat, or may not write there (HTTP 403)"
        return Rejected(PARTNER, method, text, code=ErrorCode.FORBIDDEN, data=data)
    text = f"Telegram does not know the chat, or rejects the message (HTTP {answer.status})"
    return Rejected(PARTNER, method, text, data=data)


def _parameters(answer: Answer) -> dict[str, Any]:
    content = answer.json() if answer.status >= 400 else None
    found = content.get("parameters") if isinstance(content, dict) else None
    return found if isinstance(found, dict) else {}
