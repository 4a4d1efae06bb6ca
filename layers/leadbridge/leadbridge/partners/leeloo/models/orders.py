"""Orders."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from leadbridge.partners.leeloo.models.ids import PersonId
from leadbridge.partners.leeloo.reading import Entity, Moment, Money, Text, identity_or_none


class Order(Entity):
    """An order; `status` is `OPENED`, `RESOLVED`, `REJECTED`…"""

    title: Text = None
    price: Money = None
    currency: Text = None
    status: Text = None
    person_id: Annotated[PersonId | None, BeforeValidator(identity_or_none)] = None
    description: Text = None
    payment_method: Text = None
    created_at: Moment = None
    updated_at: Moment = None
