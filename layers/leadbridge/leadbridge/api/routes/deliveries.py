"""An operator checks, retries or settles a delivery."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict
from uuid import uuid4

from pydantic import Field, StrictInt, model_validator

from leadbridge.api.errors import erased_lead, wrong_state
from leadbridge.api.lookup import find_delivery, find_lead
from leadbridge.api.problems import Problem
from leadbridge.api.requests import ApiRequest, Body, Id, invalid_request
from leadbridge.api.router import route
from leadbridge.api.routes.fetch import RetryRequest, names_adapter, retry_fetch
from leadbridge.api.schemas import DeliveryView, FetchView, delivery_view
from leadbridge.domain.clock import utc_now
from leadbridge.domain.delivery import State
from leadbridge.domain.errors.error_codes import FieldError
from leadbridge.domain.lead import find_missing_fields
from leadbridge.domain.operator_steps import retry_by_operator
from leadbridge.domain.timeline import Entry
from leadbridge.domain.transitions import Conflict
from leadbridge.runtime.aws_errors import Contended
from leadbridge.runtime.budget import Budget
from leadbridge.runtime.logs import logger
from leadbridge.runtime.queues import send
from leadbridge.settings import settings

PATH = "/leads/{lead_id}/deliveries/{partner}"
RESERVE = 5.0  # seconds that a call to a partner leaves for writing the result and for the gateway's time limit


class ResolveRequest(Body):
    """The id under which the partner has the lead, or that the partner does not have it.

    `"outcome": "unknown"` withdraws what an operator settled. With `expected_state` nothing is done to a delivery that
    is in another state.
    """

    deal_id: Annotated[StrictInt, Field(ge=1, lt=10**18)] | None = None
    account_uuid: Id | None = None
    outcome: Literal["not_created", "unknown"] | None = None
    expected_state: State | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> ResolveRequest:
        if [self.deal_id, self.account_uuid, self.outcome].count(None) != 2:
            raise ValueError('give a deal_id, an account_uuid, or "outcome": "not_created" or "unknown"')
        return self


class QueuedView(TypedDict):
    """Work that was put into a queue."""

    status: Literal["queued"]


@route("POST", f"{PATH}/check", status=202, problems=(409,))
def check_delivery(request: ApiRequest) -> QueuedView:
    """Request the status from the partner now."""
    delivery = find_delivery(request)
    if delivery.state is not State.SUBMITTED or delivery.is_erased:
        raise wrong_state(
            f"The delivery is {delivery.state.value}; only one that is submitted, and not erased, can be checked."
        )
    entry = Entry.by_operator(utc_now(), "check_requested", request.operator, delivery.partner)
    if not request.resources.leads.note(delivery.lead_id, entry, uuid4().hex):
        raise erased_lead()
    message = {"lead_id": delivery.lead_id, "partner": delivery.partner, "at_once": True}
    send(request.resources.environment.check_queue_url, message)
    logger.info("check requested", lead_id=delivery.lead_id, operator=request.operator)
    return {"status": "queued"}


@route("POST", f"{PATH}/retry", status=202, problems=(409,))
def retry_delivery(request: ApiRequest, body: RetryRequest) -> DeliveryView | FetchView:
    """Retry a failed, rejected or duplicate delivery; with `confirm` one that may arrive twice; or retry a fetch.

    The name of an adapter in the place of a partner retries the fetch of a lead that has no deliveries yet.
    """
    if names_adapter(request.path["partner"]):
        return retry_fetch(request, body)
    delivery = find_delivery(request)
    lead = find_lead(request, delivery.lead_id)
    lacking = find_missing_fields(lead, settings().partners.get(delivery.partner))
    change = retry_by_operator(delivery, utc_now(), request.operator, is_confirmed=body.confirm, lacking=lacking)
    try:
        after = request.resources.leads.apply(change)
    except Contended:
        raise Conflict from None
    logger.info("changed", lead_id=after.lead_id, partner=after.partner, state=after.state, operator=request.operator)
    return delivery_view(after)


@route("POST", f"{PATH}/resolve", problems=(409,))
def resolve_delivery(request: ApiRequest, body: ResolveRequest) -> DeliveryView:
    """Settle an unknown delivery; correct or withdraw what an operator settled. The partner must know the id."""
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
        error = FieldError(field, "is not what this partner has")
        raise invalid_request("This partner has no such thing.", error) from None
    except IdNotFound:
        error = FieldError(field, "is not known to the partner")
        detail = "The partner does not know this for the lead. Nothing was stored."
        raise Problem(422, "not-known-to-partner", "Not known to the partner", detail, (error,)) from None
    except Contended:
        raise Conflict from None
    logger.info("resolved", lead_id=after.lead_id, partner=after.partner, state=after.state, operator=request.operator)
    return delivery_view(after)
