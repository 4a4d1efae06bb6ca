"""Templates, connections, channels and messages. Every send call sends a message."""

import hashlib
from dataclasses import asdict
from datetime import UTC, datetime

from devstack.sandbox.leeloo import company
from devstack.sandbox.leeloo.requests import NOT_FOUND, Given, find, page, refusal, success
from devstack.sandbox.leeloo.state import Message, State
from devstack.sandbox.partner import Answer

FROM, TO = "filter[last_message][from]", "filter[last_message][to]"


def list_categories(_state: State, _given: Given) -> Answer:
    return success({"categories": [asdict(each) for each in company.CATEGORIES.values()]})


def list_templates(_state: State, given: Given) -> Answer:
    category = find(company.CATEGORIES, given, "category_id")
    of_category = [each for each in company.TEMPLATES.values() if each.category_id == category.id]
    return success({"templates": [{"id": each.id, "message_name": each.message_name} for each in of_category]})


def list_connections(_state: State, _given: Given) -> Answer:
    return success({"connections": [asdict(each) for each in company.CONNECTIONS.values()]})


def send_template(state: State, given: Given) -> Answer:
    account = find(state.accounts, given, "account_id")
    template = find(company.TEMPLATES, given, "template_id")
    variables = given.get("variables", {})
    return _sent(state.send(account, template.rendered(variables), template.id, variables))


def send_message(state: State, given: Given) -> Answer:
    return _sent(state.send(find(state.accounts, given, "account_id"), given["text"]))


def _sent(message: Message) -> Answer:
    return success({}, message_id=message.id, text=message.text, text_sha256=text_sha256(message.text))


def text_sha256(sent: str) -> str:
    return hashlib.sha256(sent.encode()).hexdigest()


def list_chat(state: State, given: Given) -> Answer:
    """The document allows the id of a channel or of a person, who may have several channels."""
    owner = given["person_id"]
    if owner in state.people:
        accounts = state.people[owner].accounts
    elif owner in state.accounts:
        accounts = [state.accounts[owner]]
    else:
        raise refusal(404, {"person_id": NOT_FOUND}, NOT_FOUND)
    chat = sorted((message for each in accounts for message in each.chat), key=lambda m: m.number, reverse=True)
    return page(given, [message.as_row() for message in chat], len(chat))


def list_channels(state: State, given: Given) -> Answer:
    newest_first = reversed(state.accounts.values())
    rows = [account.as_row() for account in newest_first if is_written_in(given, account.last_message_at)]
    return page(given, rows, len(state.accounts))


def is_written_in(given: Given, last_message_at: float | None) -> bool:
    """Whether a last message is between the requested days, both included, in UTC."""
    first, last = given.get(FROM), given.get(TO)
    if last_message_at is None:
        return first is None and last is None
    on = datetime.fromtimestamp(last_message_at, UTC).date().isoformat()
    return (first is None or first <= on) and (last is None or on <= last)


def get_channel_person(state: State, given: Given) -> Answer:
    return success(find(state.accounts, given, "account_id").person.as_json())


def subscribe(state: State, given: Given) -> Answer:
    account = find(state.accounts, given, "account_id")
    tunnel = find(company.TUNNELS, given, "tunnel_id")
    block = find({block.id: block for block in tunnel.blocks}, given, "tunnel_block_id")
    state.subscribe(account.person, tunnel, block_id=block.id)
    return success({})
