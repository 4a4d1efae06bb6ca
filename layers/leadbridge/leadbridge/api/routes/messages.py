"""Send a message to a person, show what can be sent, or retry a failed message."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict
from uuid import uuid4

from pydantic import Field, StringConstraints, model_validator

from leadbridge.api.errors import erased_lead, wrong_state
from leadbridge.api.lookup import find_journey, find_lead
from leadbridge.api.params import unknown_message
from leadbridge.api.requests import ApiRequest, Body, Id
from leadbridge.api.router import route
from leadbridge.api.schemas import LeadId, MessageStatusView, message_status_view
from leadbridge.domain.clock import utc_now
from leadbridge.domain.message import MessageState, operator_message
from leadbridge.domain.message_operator_steps import retry_message_by_operator
from leadbridge.domain.recipient import Contact
from leadbridge.domain.timeline import LEELOO, Entry
from leadbridge.domain.transitions import Conflict
from leadbridge.runtime.logs import logger
from leadbridge.services.message_text import render_template
from leadbridge.settings import settings
from leadbridge.storage.leads import Journey

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4096)]
VariableName = Annotated[str, Field(max_length=64)]
VariableValue = Annotated[str, Field(max_length=1024)]
Channel = Literal["known", "invited", "invites", "creates", "none", "unknown"]


class MessageRequest(Body):
    """A message: `lead_id` or `account_id`, and `template_id` or `text`."""

    lead_id: LeadId | None = None
    account_id: Id | None = None
    template_id: Id | None = None
    text: Text | None = None
    variables: dict[VariableName, VariableValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_of_each(self) -> MessageRequest:
        if (self.lead_id is None) == (self.account_id is None):
            raise ValueError("give a lead_id or an account_id, not both")
        if (self.template_id is None) == (self.text is None):
            raise ValueError("give a template_id or a text, not both")
        return self


@route("POST", "/messages", status=202, problems=(404, 409))
def write_message(request: ApiRequest, body: MessageRequest) -> MessageStatusView:
    """Send a message to a lead's person or to an account."""
    now, entry = utc_now(), None
    lead_id = body.lead_id or request.resources.lead_search.by_account(body.account_id or "")
    if lead_id is not None:
        find_lead(request, lead_id)
        entry = Entry.by_operator(now, "message_requested", request.operator, LEELOO)
    message = operator_message(
        lead_id or body.account_id or "",
        now,
        uuid4().hex,
        account_id=body.account_id,
        template_id=body.template_id,
        text=body.text,
        variables=body.variables,
    )
    try:
        request.resources.messages.add(message, entry)
    except Conflict:
        raise erased_lead() from None
    logger.info("message requested", lead_id=message.owner, message_id=message.message_id, operator=request.operator)
    return message_status_view(message)


class TemplateView(TypedDict):
    """A configured template, filled in for a lead: a text that can be changed, or a template's id at Leeloo.

    `label` is given by language.
    """

    name: str
    label: dict[str, str]
    text: str | None
    template_id: str | None
    variables: dict[str, str]


class MessageOptionsView(TypedDict):
    """What can be sent to a lead's person.

    `channel`: their messenger account is known; they were invited by SMS; a message invites them by SMS, or creates
    them with the lead tool, if Leeloo does not know them; an earlier message found no account; Leeloo was not asked.
    """

    channel: Channel
    templates: list[TemplateView]


@route("GET", "/leads/{lead_id}/messages/options", problems=(404, 409))
def list_message_options(request: ApiRequest) -> MessageOptionsView:
    """List the configured templates, and whether the person has a channel."""
    journey = find_journey(request)
    lead, configured = journey.lead, settings().messages
    if lead.erased_at is not None:
        raise erased_lead()
    contact = request.resources.messages.contact(lead.lead_id)
    delivery = next((one for one in journey.deliveries.values() if one.partner_status is not None), None)
    templates: list[TemplateView] = []
    for name, template in configured.templates.items():
        if template.on:
            content = render_template(template, configured, lead, delivery, contact.locale)
            templates.append(
                {
                    "name": name,
                    "label": template.label,
                    "text": content.text,
                    "template_id": content.template_id,
                    "variables": content.variables or {},
                }
            )
    return {"channel": channel_of(journey, contact), "templates": templates}


def channel_of(journey: Journey, contact: Contact) -> Channel:
    """Return how a message reaches a lead's person, as far as that is known without a call to Leeloo."""
    channel = settings().messages.channel
    if contact.account_id is not None:
        return "known"
    if contact.asked_at is not None:
        return "invited"
    if channel.sms_connection and journey.lead.person.phone is not None:
        return "invites"
    if channel.lead_tool and not channel.sms_connection:
        return "creates"
    return "none" if any(one.state is MessageState.NO_CHANNEL for one in journey.messages) else "unknown"


@route("POST", "/leads/{lead_id}/messages/{message_id}/retry", status=202, problems=(409,))
def retry_message(request: ApiRequest) -> MessageStatusView:
    """Retry a failed message. It is skipped if a newer one about the same delivery was sent."""
    lead, message_id = find_lead(request, request.path["lead_id"]), request.path["message_id"]
    messages = request.resources.messages
    others = messages.messages(lead.lead_id)
    message = next((one for one in others if one.message_id == message_id), None)
    if message is None:
        raise unknown_message()
    if message.state is not MessageState.FAILED:
        raise wrong_state(f"The message is {message.state.value}. Only a failed message can be retried.")
    after = messages.apply(retry_message_by_operator(message, utc_now(), request.operator, others=others))
    logger.info("message retried", lead_id=lead.lead_id, message_id=message_id, operator=request.operator)
    return message_status_view(after)
