"""Telegram as a partner of the sandbox: three methods of the Bot API, and the chats as their members see them.

Strict where a client can be wrong: JSON only, the token in the path, a known chat, 1 to 4096 UTF-16 units of text, no
edit without a change. `POST /control/telegram/chats/{chat}` orders how a chat fails: `kicked`, or `moved_to` a new id.
Outages and 429 are faults as of any other partner.
"""

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from aiohttp import web

from devstack.sandbox.credentials import StoredCredentials
from devstack.sandbox.orders import Order, get, post
from devstack.sandbox.partner import Answer, Context, Endpoint, Incoming, Operation
from devstack.sandbox.rows import Rows
from devstack.sandbox.telegram.credentials import Credentials

MAX_TEXT = 4096  # units of UTF-16
RETRY_AFTER = 1  # seconds
KNOWN = {
    "getChat": frozenset({"chat_id"}),
    "sendMessage": frozenset({"chat_id", "text", "link_preview_options", "disable_notification", "reply_parameters"}),
    "editMessageText": frozenset({"chat_id", "text", "message_id", "link_preview_options"}),
}
METHODS = {"getChat": "get_chat", "sendMessage": "send", "editMessageText": "edit"}


class ChatOrder(Order):
    """The body of `POST /control/telegram/chats/{chat}`."""

    kicked: bool = False
    moved_to: int | None = None


class Telegram:
    """Telegram's side, for one bot."""

    kind = "telegram"
    operations = frozenset(METHODS.values())

    def __init__(self, context: Context) -> None:
        self.name = context.name
        self._clock = context.clock
        self._credentials = StoredCredentials(Credentials, context.credentials_file)
        self._messages = Rows[tuple[str, int], dict[str, Any]]()
        self._orders: dict[str, ChatOrder] = {}
        self._numbers = count(1)
        self.rotations: Mapping[str, Callable[[], None]] = {"token": lambda: self._credentials.rotate("token")}

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint(("POST",), f"/bot{{token:[^/]+}}/{method}", Operation(operation, self._of(method), _describe))
            for method, operation in METHODS.items()
        ]

    def controls(self) -> list[web.RouteDef]:
        return [
            get("/messages", lambda _: {"messages": list(self._messages)}),
            post("/chats/{chat}", ChatOrder, self._order, 201),
        ]

    def secret(self, root: str) -> dict[str, Any]:
        return {"token": self._credentials.values.token, "chats": self._credentials.values.chats, "base_url": root}

    def refused(self, status: int, detail: str) -> Answer:
        if status == 429:
            return _refusal(429, f"Too Many Requests: retry after {RETRY_AFTER}", retry_after=RETRY_AFTER)
        return _refusal(status, detail)

    def advance(self) -> None:
        """Nothing changes automatically."""

    def reset(self) -> None:
        self._messages.clear()
        self._orders.clear()

    def _order(self, order: ChatOrder, request: web.Request) -> object:
        self._orders[request.match_info["chat"]] = order
        return {"chat": request.match_info["chat"]}

    def _of(self, method: str) -> Callable[[Incoming], Answer]:
        return lambda incoming: self._process(method, incoming)

    def _process(self, method: str, incoming: Incoming) -> Answer:
        """Check in this order: token, encoding, fields, chat, text, message."""
        if not self._credentials.values.admits(incoming.params["token"]):
            return _refusal(401, "Unauthorized")
        fields = incoming.fields
        if incoming.content_type != "application/json" or not fields:
            return _refusal(400, "Bad Request: message text is empty")
        if unknown := sorted(set(fields) - KNOWN[method]):
            return _refusal(400, f"Bad Request: unknown fields {', '.join(unknown)}")
        chat = str(fields.get("chat_id", ""))
        order = self._orders.get(chat, ChatOrder())
        if order.moved_to is not None:
            said = "Bad Request: group chat was upgraded to a supergroup chat"
            return _refusal(400, said, migrate_to_chat_id=order.moved_to)
        moved = {str(one.moved_to) for one in self._orders.values() if one.moved_to is not None}
        if chat not in {*self._credentials.values.chats, *moved}:
            return _refusal(400, "Bad Request: chat not found")
        if order.kicked:
            return _refusal(403, "Forbidden: bot was kicked from the supergroup chat")
        if method == "getChat":
            return _accepted({"id": int(chat), "type": "supergroup", "title": "Alerts"})
        text = fields.get("text")
        if not isinstance(text, str) or not text.strip():
            return _refusal(400, "Bad Request: message text is empty")
        if len(text.encode("utf-16-le")) // 2 > MAX_TEXT:
            return _refusal(400, "Bad Request: message is too long")
        return self._edit(chat, text, fields) if method == "editMessageText" else self._send(chat, text, fields)

    def _send(self, chat: str, text: str, fields: Mapping[str, Any]) -> Answer:
        number = next(self._numbers)
        reply = fields.get("reply_parameters") or {}
        message = {
            "chat_id": chat,
            "message_id": number,
            "text": text,
            "date": int(self._clock()),
            "quiet": fields.get("disable_notification") is True,
            "reply_to": reply.get("message_id"),
            "edits": 0,
        }
        self._messages.add((chat, number), message)
        return _accepted(_shown(message), message_id=number)

    def _edit(self, chat: str, text: str, fields: Mapping[str, Any]) -> Answer:
        number = fields.get("message_id")
        message = self._messages.get((chat, number)) if isinstance(number, int) else None
        if message is None:
            return _refusal(400, "Bad Request: message to edit not found")
        if message["text"] == text:
            return _refusal(400, "Bad Request: message is not modified")
        message["text"], message["edits"] = text, message["edits"] + 1
        return _accepted(_shown(message), message_id=message["message_id"])


SERVICE = Telegram


def _shown(message: Mapping[str, Any]) -> dict[str, Any]:
    """The message as Telegram returns it."""
    return {
        "message_id": message["message_id"],
        "date": message["date"],
        "chat": {"id": int(message["chat_id"]), "type": "supergroup", "title": "Alerts"},
        "text": message["text"],
    }


def _accepted(result: object, **facts: object) -> Answer:
    return Answer.of(200, {"ok": True, "result": result}, **facts)


def _refusal(status: int, description: str, **parameters: int) -> Answer:
    more = {"parameters": parameters} if parameters else {}
    refused = {"ok": False, "error_code": status, "description": description, **more}
    return Answer.of(status, refused, refused=description)


def _describe(incoming: Incoming) -> dict[str, Any]:
    return {"chat_id": incoming.fields.get("chat_id"), "text": incoming.fields.get("text")}
