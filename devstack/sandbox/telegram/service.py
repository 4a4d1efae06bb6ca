"""Telegram as a partner of the sandbox: three methods of the Bot API, and the chats as their members see them.

Strict where a client can be wrong: JSON only, the token in the path, a known chat, 1 to 4096 UTF-16 units of text, no
edit without a change. Outages and 429 are faults as of any other partner.
"""

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import count
from typing import Any

from devstack.sandbox.partner import Answer, Context, Controls, Endpoint, Incoming, Partner, Refusal, Rows, same

METHODS = {
    "getChat": ("get_chat", {"chat_id"}),
    "sendMessage": ("send", {"chat_id", "text", "link_preview_options", "disable_notification", "reply_parameters"}),
    "editMessageText": ("edit", {"chat_id", "text", "message_id", "link_preview_options"}),
}
"""By method its operation and its fields."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The bot that this Telegram knows, and the chats of which it is a member."""

    token: str = field(default_factory=lambda: f"{10**9 + secrets.randbelow(9 * 10**9)}:{secrets.token_hex(17)}")
    chats: list[str] = field(default_factory=lambda: [f"-100{10**9 + secrets.randbelow(10**9)}" for _ in range(2)])


class Telegram(Partner):
    rotations = ("token",)
    credentials: Credentials

    def __init__(self, context: Context) -> None:
        super().__init__(context, Credentials)
        self._numbers = count(1)
        self.reset()

    def reset(self) -> None:
        self._messages = Rows[tuple[str, int], dict[str, Any]]()
        self._chats = set(self.credentials.chats)
        self._broken: dict[str, Answer] = {}

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(operation, "POST", f"/bot{{token:[^/]+}}/{method}", partial(self._process, method), _describe)
            for method, (operation, _) in METHODS.items()
        ]

    def controls(self) -> Controls:
        return {
            "GET /messages": lambda: {"messages": list(self._messages.values())},
            "POST /chats/{chat}": self._break_chat,
        }

    def secret(self, root: str) -> dict[str, Any]:
        return {"base_url": root, **asdict(self.credentials)}

    def refused(self, status: int, detail: str) -> Answer:
        return _refusal(status, detail, **({"retry_after": 1} if status == 429 else {})).answer

    def _break_chat(self, chat: str, moved_to: int | None = None) -> None:
        """Remove the bot from a chat, or give the chat another id."""
        refusal = _refusal(403, "Forbidden: bot was kicked from the supergroup chat")
        if moved_to is not None:
            self._chats.add(str(moved_to))
            said = "Bad Request: group chat was upgraded to a supergroup chat"
            refusal = _refusal(400, said, migrate_to_chat_id=moved_to)
        self._broken[chat] = refusal.answer

    def _process(self, method: str, incoming: Incoming) -> Answer:
        """Check in this order: token, encoding, fields, chat, text, message."""
        if not same(incoming.params["token"], self.credentials.token):
            raise _refusal(401, "Unauthorized")
        fields = incoming.fields
        if incoming.content_type != "application/json" or not fields:
            raise _refusal(400, "Bad Request: message text is empty")
        if unknown := fields.keys() - METHODS[method][1]:
            raise _refusal(400, f"Bad Request: unknown fields {', '.join(sorted(unknown))}")
        chat = str(fields.get("chat_id", ""))
        if chat in self._broken:
            raise Refusal(self._broken[chat])
        if chat not in self._chats:
            raise _refusal(400, "Bad Request: chat not found")
        result: dict[str, Any] = {"id": int(chat), "type": "supergroup", "title": "Alerts"}
        if method != "getChat":
            text = fields.get("text")
            if not isinstance(text, str) or not text.strip():
                raise _refusal(400, "Bad Request: message text is empty")
            if len(text.encode("utf-16-le")) // 2 > 4096:
                raise _refusal(400, "Bad Request: message is too long")
            message = self._edited(chat, fields) if method == "editMessageText" else self._sent(chat, fields)
            result = {name: message[name] for name in ("message_id", "date", "text")} | {"chat": result}
        return Answer.of(200, {"ok": True, "result": result}, message_id=result.get("message_id"))

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


def _refusal(status: int, description: str, **parameters: int) -> Refusal:
    more = {"parameters": parameters} if parameters else {}
    refused = {"ok": False, "error_code": status, "description": description, **more}
    return Refusal(Answer.of(status, refused, refused=description))


def _describe(incoming: Incoming) -> dict[str, Any]:
    return {"chat_id": incoming.fields.get("chat_id"), "text": incoming.fields.get("text")}
