"""Templates, connections, channels, and messages."""

import hashlib

from devstack.sandbox.leeloo import company, shapes
from devstack.sandbox.leeloo.endpoints.paging import LAST_MESSAGE, PAGE, written_between
from devstack.sandbox.leeloo.fields import Fields, an_id, text, texts_by_name
from devstack.sandbox.leeloo.ids import find
from devstack.sandbox.leeloo.refusals import not_found
from devstack.sandbox.leeloo.replies import page, success
from devstack.sandbox.leeloo.requests import Asked, Route
from devstack.sandbox.leeloo.state import Message, State
from devstack.sandbox.partner import Answer


class Messaging:
    """Every send call sends a message."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        return [
            Route("categories_list", "GET", "/categories/templates", _categories),
            Route("templates_list", "GET", "/categories/templates/{category_id}", _templates),
            Route(
                "send_template",
                "POST",
                "/messages/send-template",
                self._send_template,
                body=Fields({"account_id": an_id, "template_id": an_id}, {"variables": texts_by_name}),
            ),
            Route(
                "send_message",
                "POST",
                "/messages/send-message",
                self._send_message,
                body=Fields({"account_id": an_id, "text": text}),
            ),
            Route(
                "chat_messages",
                "GET",
                "/communication-channels/{person_id}/chat-messages",
                self._chat_messages,
                query=PAGE,
            ),
            Route("channels_list", "GET", "/communication-channels", self._channels, query=PAGE | LAST_MESSAGE),
            Route("channel_person", "GET", "/communication-channels/{account_id}/person", self._channel_person),
            Route(
                "manual_subscribe",
                "POST",
                "/communication-channels/{account_id}/manual-subscribe",
                self._manual_subscribe,
                body=Fields({"tunnel_id": an_id, "tunnel_block_id": an_id}),
                forms=True,
            ),
            Route("connections_list", "GET", "/connections", _connections),
        ]

    def _send_template(self, asked: Asked) -> Answer:
        account = find(self._state.accounts, asked.body["account_id"], "account_id")
        template = find(company.TEMPLATES, asked.body["template_id"], "template_id")
        variables = asked.body.get("variables", {})
        return _sent(self._state.send(account, template.rendered(variables), template.id, variables))

    def _send_message(self, asked: Asked) -> Answer:
        account = find(self._state.accounts, asked.body["account_id"], "account_id")
        return _sent(self._state.send(account, asked.body["text"]))

    def _chat_messages(self, asked: Asked) -> Answer:
        """The document allows the id of a channel or of a person, who may have several channels."""
        either = asked.params["person_id"]
        account, person = self._state.accounts.get(either), self._state.people.get(either)
        if account is not None:
            accounts = [account]
        elif person is not None:
            accounts = person.accounts
        else:
            raise not_found("person_id")
        chat = sorted((message for each in accounts for message in each.chat), key=lambda m: m.number, reverse=True)
        return page(asked, chat, len(chat), shapes.message_row)

    def _channels(self, asked: Asked) -> Answer:
        accounts = self._state.accounts
        matching = (each for each in accounts.newest_first() if written_between(asked, each.last_message_at))
        return page(asked, matching, len(accounts), shapes.channel_row)

    def _channel_person(self, asked: Asked) -> Answer:
        account = find(self._state.accounts, asked.params["account_id"], "account_id")
        return success(shapes.person(account.person, self._state))

    def _manual_subscribe(self, asked: Asked) -> Answer:
        account = find(self._state.accounts, asked.params["account_id"], "account_id")
        tunnel = find(company.TUNNELS, asked.body["tunnel_id"], "tunnel_id")
        block = find({block.id: block for block in tunnel.blocks}, asked.body["tunnel_block_id"], "tunnel_block_id")
        self._state.subscribe(account.person, tunnel, block_id=block.id)
        return success({})


def text_sha256(sent: str) -> str:
    return hashlib.sha256(sent.encode()).hexdigest()


def _sent(message: Message) -> Answer:
    return success({}, message_id=message.id, text=message.text, text_sha256=text_sha256(message.text))


def _categories(_asked: Asked) -> Answer:
    return success({"categories": [shapes.named(category) for category in company.CATEGORIES.values()]})


def _templates(asked: Asked) -> Answer:
    category = find(company.CATEGORIES, asked.params["category_id"], "category_id")
    of_category = [each for each in company.TEMPLATES.values() if each.category_id == category.id]
    return success({"templates": [{"id": each.id, "message_name": each.message_name} for each in of_category]})


def _connections(_asked: Asked) -> Answer:
    connections = company.CONNECTIONS.values()
    return success({"connections": [{"id": each.id, "type": each.type, "name": each.name} for each in connections]})
