"""Telegram as a partner of the sandbox: three methods of the Bot API, and the chats as their members see them.

Strict where a client can be wrong: JSON only, the token in the path, a known chat, 1 to 4096 UTF-16 units of text, no
edit without a change. `POST /control/telegram/chats/{chat}` orders how a chat fails: `kicked`, or `moved_to` a new id.
Outages and 429 are faults as of any other partner.
"""

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import count
from typing import Any

from devstack.sandbox.credentials import StoredCredentials, same
from devstack.sandbox.partner import Answer, Context, Controls, Endpoint, Incoming, Partner, Refusal, Rows

MAX_TEXT = 4096  # units of UTF-16
RETRY_AFTER = 1  # seconds
KNOWN = {
    "getChat": frozenset({"chat_id"}),
    "sendMessage": frozenset({"chat_id", "text", "link_preview_options", "disable_notification", "reply_parameters"}),
    "editMessageText": frozenset({"chat_id", "text", "message_id", "link_preview_options"}),
}
OPERATIONS = {"getChat": "get_chat", "sendMessage": "send", "editMessageText": "edit"}


def _token() -> str:
    return f"{secrets.randbelow(9_000_000_000) + 1_000_000_000}:{secrets.token_urlsafe(26)[:35]}"


def _chats() -> list[str]:
    return [str(-1_001_000_000_000 - secrets.randbelow(1_000_000_000)) for _ in range(2)]


@dataclass(frozen=True, slots=True)
class Credentials:
    """The bot that this Telegram knows, and the chats of which it is a member."""

    token: str = field(default_factory=_token)
    chats: list[str] = field(default_factory=_chats)


class Telegram(Partner):
    rotations = ("token",)
    stored: StoredCredentials[Credentials]

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.stored = StoredCredentials(Credentials, context.credentials_file)
        self._messages = Rows[tuple[str, int], dict[str, Any]]()
        self._kicked: dict[str, bool] = {}
        self._moved: dict[str, int | None] = {}
        self._numbers = count(1)

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(operation, "POST", f"/bot{{token:[^/]+}}/{method}", partial(self._process, method), _describe)
            for method, operation in OPERATIONS.items()
        ]

    def controls(self) -> Controls:
        return {
            "GET /messages": lambda: {"messages": list(self._messages.values())},
            "POST /chats/{chat}": self._break_chat,
        }

    def secret(self, root: str) -> dict[str, Any]:
        return {"base_url": root, **asdict(self.stored.values)}

    def refused(self, status: int, detail: str) -> Answer:
        if status == 429:
            return _refusal(429, f"Too Many Requests: retry after {RETRY_AFTER}", retry_after=RETRY_AFTER).answer
        return _refusal(status, detail).answer

    def reset(self) -> None:
        self._messages.clear()
        self._kicked.clear()
        self._moved.clear()

    def _break_chat(self, chat: str, kicked: bool = False, moved_to: int | None = None) -> dict[str, Any]:
        self._kicked[chat], self._moved[chat] = kicked, moved_to
        return {"chat": chat}

    def _process(self, method: str, incoming: Incoming) -> Answer:
        """Check in this order: token, encoding, fields, chat, text, message."""
        if not same(incoming.params["token"], self.stored.values.token):
            raise _refusal(401, "Unauthorized")
        fields = incoming.fields
        if incoming.content_type != "application/json" or not fields:
            raise _refusal(400, "Bad Request: message text is empty")
        if unknown := sorted(set(fields) - KNOWN[method]):
            raise _refusal(400, f"Bad Request: unknown fields {', '.join(unknown)}")
        chat = str(fields.get("chat_id", ""))
        if (moved_to := self._moved.get(chat)) is not None:
            said = "Bad Request: group chat was upgraded to a supergroup chat"
            raise _refusal(400, said, migrate_to_chat_id=moved_to)
        new_chats = {str(number) for number in self._moved.values() if number is not None}
        if chat not in {*self.stored.values.chats, *new_chats}:
            raise _refusal(400, "Bad Request: chat not found")
        if self._kicked.get(chat):
            raise _refusal(403, "Forbidden: bot was kicked from the supergroup chat")
        if method == "getChat":
            return _accepted({"id": int(chat), "type": "supergroup", "title": "Alerts"})
        text = fields.get("text")
        if not isinstance(text, str) or not text.strip():
            raise _refusal(400, "Bad Request: message text is empty")
        if len(text.encode("utf-16-le")) // 2 > MAX_TEXT:
            raise _refusal(400, "Bad Request: message is too long")
        message = self._edited(chat, fields) if method == "editMessageText" else self._sent(chat, fields)
        shown = {
            "message_id": message["message_id"],
            "date": message["date"],
            "chat": {"id": int(chat), "type": "supergroup", "title": "Alerts"},
            "text": text,
        }
        return _accepted(shown, message_id=message["message_id"])

    def _sent(self, chat: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        message = {
            "chat_id": chat,
            "message_id": next(self._numbers),
            "text": fields["text"],
            "date": int(self.clock()),
            "quiet": fields.get("disable_notification") is True,
            "reply_to": (fields.get("reply_parameters") or {}).get("message_id"),
            "edits": 0,
        }
        self._messages.add((chat, message["message_id"]), message)
        return message

    def _edited(self, chat: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        number = fields.get("message_id")
        message = self._messages.get((chat, number)) if isinstance(number, int) else None
        if message is None:
            raise _refusal(400, "Bad Request: message to edit not found")
        if message["text"] == fields["text"]:
            raise _refusal(400, "Bad Request: message is not modified")
        message["text"], message["edits"] = fields["text"], message["edits"] + 1
        return message


def _accepted(result: object, **facts: object) -> Answer:
    return Answer.of(200, {"ok": True, "result": result}, **facts)


def _refusal(status: int, description: str, **parameters: int) -> Refusal:
    more = {"parameters": parameters} if parameters else {}
    refused = {"ok": False, "error_code": status, "description": description, **more}
    return Refusal(Answer.of(status, refused, refused=description))


def _describe(incoming: Incoming) -> dict[str, Any]:
    return {"chat_id": incoming.fields.get("chat_id"), "text": incoming.fields.get("text")}
