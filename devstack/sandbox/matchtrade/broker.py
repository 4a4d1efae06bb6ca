"""What differs from broker to broker, or is missing in the document: settings of the control."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from devstack.sandbox.orders import Order
from leadbridge.settings.sections import Zone

type FieldPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]+(\.[A-Za-z]+)?$")]


class Broker(Order):
    """`GET`, `POST /control/matchtrade/broker`. A post changes only the settings it contains.

    `required` are fields of `account` (`leadInfo.leadSource` too). The partner id and the offer are always required.
    `words` are this broker's texts of statuses, `offers` the names of its further offers. With a `time_zone` the list's
    times are local and have no offset.
    """

    expires_in: Annotated[int, Field(ge=0)] = 899
    refresh_expires_in: Annotated[int, Field(ge=0)] = 3600
    required: tuple[FieldPath, ...] = ("email", "name", "surname", "phone")
    column_length: Annotated[int, Field(ge=1)] = 255
    plus_in_phone: bool = False
    create_status: Annotated[int, Field(ge=200, le=299)] = 200
    create_uuid: bool = True
    filter_by: Literal["created", "updated"] = "created"
    lead_source: Literal["flat", "nested", "mixed"] = "flat"
    page_shape: Literal["full", "minimal"] = "full"
    max_size: Annotated[int, Field(ge=1, le=1000)] = 1000
    words: dict[str, str] = {}
    offers: tuple[str, ...] = ()
    time_zone: Zone | None = None

    def changed_by(self, order: "Broker") -> "Broker":
        """This broker with the settings of the order."""
        return self.model_copy(update={name: getattr(order, name) for name in order.model_fields_set})
