"""Deliveries: open, check the status, retry, settle."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict
from uuid import uuid4

from pydantic import Field, StrictBool, StrictInt, model_validator

from leadbridge.api.errors import erased_lead, wrong_state
from leadbridge.api.lookup import find_delivery, find_lead
from leadbridge.api.problems import Problem
from leadbridge.api.requests import ApiRequest, Body, Id, invalid_request
from leadbridge.api.router import route
from leadbridge.api.routes.fetch import RetryRequest
from leadbridge.api.schemas import DeliveryView, delivery_view
from leadbridge.domain.clock import utc_now
from leadbridge.domain.delivery import State
from leadbridge.domain.errors.field_codes import FieldCode, FieldError
from leadbridge.domain.lead import InvalidLead, find_missing_fields
from leadbridge.domain.operator_steps import retry_by_operator
from leadbridge.domain.timeline import Entry
from leadbridge.runtime.budget import Budget
from leadbridge.runtime.logs import logger
from leadbridge.runtime.queues import send
from leadbridge.services.checks.batch import CheckBatch
from leadbridge.settings import settings

PATH = "/leads/{lead_id}/deliveries/{partner}"
RESERVE = 5.0  # seconds for writing the result within the gateway's time limit


class OpenRequest(Body):
    """The partner that gets the lead. `confirm`: although another partner has it or may get it.

    A lead that only waits for its partner is moved.
    """

    partner: Annotated[str, Field(min_length=1, max_length=64)]
    confirm: StrictBool = False


class ResolveRequest(Body):
    """The partner's id of the lead, or that the partner does not have the lead.

    `"outcome": "unknown"` withdraws an operator's settlement. With `expected_state`, a delivery in another state is not
    changed.
    """

    deal_id: Annotated[StrictInt, Field(ge=1, lt=10**18)] | None = None
    account_uuid: Id | None = None
    outcome: Literal["not_created", "unknown"] | None = None
    expected_state: State | None = None

    @model_validator(mode="after")
    def _has_one_outcome(self) -> ResolveRequest:
        if [self.deal_id, self.account_uuid, self.outcome].count(None) != 2:
            raise ValueError('give a deal_id, an account_uuid, or "outcome": "not_created" or "unknown"')
        return self


class QueuedView(TypedDict):
    """A queued task."""

    status: Literal["queued"]


@route("POST", "/leads/{lead_id}/deliveries", status=201, problems=(409,))
def open_delivery(request: ApiRequest, body: OpenRequest) -> DeliveryView:
    """Give a lead to a further partner; with `confirm`, also one that another partner has or may get.

    A lead that only waits for its partner (`waiting_reason`) is moved: that delivery ends as `skipped` with the code
    `moved`. This needs no `confirm`, unless the partner may have it. No rule passes the lead on to another partner
    afterwards.
    """
    from leadbridge.services.correct_lead import UnknownPartner

    lead_id, corrector = request.path["lead_id"], request.resources.corrector
    try:
        opened = corrector.add_partner(lead_id, body.partner, request.operator, is_confirmed=body.confirm)
    except UnknownPartner:
        error = FieldError("partner", FieldCode.UNKNOWN_PARTNER)
        raise invalid_request("The partner is not configured. GET /partners lists the partners.", error) from None
    except InvalidLead as lead:
        detail = "The partner does not accept the lead; see errors. Correct these fields first."
        raise invalid_request(detail, *lead.errors) from None
    logger.info("partner added", lead_id=lead_id, partner=body.partner, operator=request.operator)
    return delivery_view(opened)


@route("POST", f"{PATH}/check", status=202, problems=(409,))
def check_delivery(request: ApiRequest) -> QueuedView:
    """Queue a status check."""
    delivery = find_delivery(request)
    if delivery.state is not State.SUBMITTED or delivery.is_erased:
        raise wrong_state(
            f"The delivery is {delivery.state.value}. Only a submitted delivery that is not erased can be checked."
        )
    entry = Entry.by_operator(utc_now(), "check_requested", request.operator, delivery.partner)
    if not request.resources.leads.note(delivery.lead_id, entry, uuid4().hex):
        raise erased_lead()
    batch = CheckBatch(delivery.partner, (delivery.lead_id,), at_once=True)
    send(request.resources.environment.check_queue_url, batch.body())
    logger.info("check requested", lead_id=delivery.lead_id, operator=request.operator)
    return {"status": "queued"}


@route("POST", f"{PATH}/retry", status=202, problems=(409,))
def retry_delivery(request: ApiRequest, body: RetryRequest) -> DeliveryView:
    """Retry a failed, rejected or duplicate delivery.

    With `confirm`, also one that the partner may get twice, or a skipped one, whose lead another partner has got.
    """
    delivery = find_delivery(request)
    lead = find_lead(request, delivery.lead_id)
    lacking = find_missing_fields(lead, settings().partners.get(delivery.partner))
    change = retry_by_operator(delivery, utc_now(), request.operator, is_confirmed=body.confirm, lacking=lacking)
    after = request.resources.leads.apply(change)
    logger.info(
        "retry requested", lead_id=after.lead_id, partner=after.partner, state=after.state, operator=request.operator
    )
    return delivery_view(after)


@route("POST", f"{PATH}/resolve", problems=(409,))
def resolve_delivery(request: ApiRequest, body: ResolveRequest) -> DeliveryView:
    """Settle an unknown delivery; correct or withdraw a settlement. The partner must confirm an id."""
    from leadbridge.services.resolve_delivery import IdNotFound, Resolution, Resolver, WrongIdKind

    delivery = find_delivery(request)
    lead = find_lead(request, delivery.lead_id)
    configured, resources = settings(), request.resources
    resolver = Resolver(
        resources.leads, configured.partners, resources.register, utc_now, configured.messages.crm_note.on
    )
    created = body.deal_id if body.deal_id is not None else body.account_uuid
    resolution = Resolution(created, body.outcome == "unknown", body.expected_state)
    field = "account_uuid" if body.deal_id is None else "deal_id"
    budget = Budget.of(request.context, reserve=RESERVE)
    try:
        after = resolver.resolve(delivery, lead, resolution, request.operator, budget)
    except WrongIdKind:
        error = FieldError(field, FieldCode.WRONG_ID_KIND)
        raise invalid_request("The partner has another kind of id.", error) from None
    except IdNotFound:
        error = FieldError(field, FieldCode.ID_UNKNOWN)
        detail = "The partner does not have this id for the lead. Nothing was stored."
        raise Problem(422, "not-known-to-partner", "Not known to the partner", detail, (error,)) from None
    logger.info("resolved", lead_id=after.lead_id, partner=after.partner, state=after.state, operator=request.operator)
    return delivery_view(after)
