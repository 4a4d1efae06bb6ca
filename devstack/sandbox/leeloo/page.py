"""Leeloo's part of the page: who is known, and the chats as these people see them."""

from itertools import islice

from devstack.sandbox.calls import rfc3339
from devstack.sandbox.leeloo import company
from devstack.sandbox.leeloo.shapes import tag_names
from devstack.sandbox.leeloo.state import Account, Message, State
from devstack.sandbox.partner import Bubble, Chat, Chats, Panel

PEOPLE_SHOWN = 50
MESSAGES_SHOWN = 200


def people(state: State) -> Panel:
    rows = [
        (
            person.name,
            person.phone or "",
            person.email or "",
            ", ".join(tag_names(person.tag_ids)),
            ", ".join(account.kind for account in person.accounts),
        )
        for person in islice(state.people.newest_first(), PEOPLE_SHOWN)
    ]
    columns = ("Name", "Phone", "Email", "Tags", "Channels")
    return Panel(f"{len(state.people)} people, newest first", columns, rows)


def chats(state: State) -> Chats:
    """The latest messages by chat: the chat with the newest one first, in a chat the newest last."""
    latest: dict[str, list[Message]] = {}
    for message in islice(state.messages.newest_first(), MESSAGES_SHOWN):
        latest.setdefault(message.account.id, []).append(message)
    shown = [
        Chat(_title(chat[0].account), [_bubble(message) for message in reversed(chat)]) for chat in latest.values()
    ]
    return Chats(f"{len(state.messages)} messages, as people see them", shown)


def _title(account: Account) -> str:
    connection = company.CONNECTIONS.get(account.connection_id or "")
    return f"{account.person.name} · {account.kind if connection is None else connection.name}"


def _bubble(message: Message) -> Bubble:
    template = company.TEMPLATES.get(message.template_id or "")
    time = rfc3339(message.at)[11:19]
    return Bubble(message.text, time if template is None else f"{time} · {template.message_name}")
