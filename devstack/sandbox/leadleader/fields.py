"""The fields of create and check-status, held to the contract's table to the letter."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StrictInt, ValidationError

from devstack.sandbox.partner import Filled, written_as

DECIMAL_PLACES = 2
TEXTS = {
    "missing": "Це поле обов'язкове.",
    "extra_forbidden": "Невідоме поле.",
    "string_type": "Потрібен рядок.",
    "int_type": "Потрібне ціле число.",
    "string_pattern_mismatch": "Це поле не може бути порожнім.",
    "model_type": "Очікувався об'єкт.",
}
"""The partner's texts by Pydantic's type of an error. Those of other types are in the error itself."""


def _positive[Number: (int, Decimal)](value: Number) -> Number:
    if value <= 0:
        raise ValueError("Значення має бути більшим за 0.")
    return value


def _summa(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("Потрібне число.")
    exponent = Decimal(value).as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -DECIMAL_PLACES:
        raise ValueError(f"Не більше {DECIMAL_PLACES} знаків після коми.")
    return Decimal(value)


class Fields(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ClientInfo(Fields):
    PIB: Filled
    telephone: Annotated[str, AfterValidator(written_as(r"0[0-9]{9}", "Потрібен номер у вигляді 0XXXXXXXXX."))]
    stateCode: Annotated[str, AfterValidator(written_as(r"[0-9]{10}", "Потрібно 10 цифр."))]
    activity: Filled
    email: Filled = ""
    city: Filled = ""
    region: Filled = ""


class Create(Fields):
    clientInfo: ClientInfo
    termin: Annotated[StrictInt, AfterValidator(_positive)]
    summa: Annotated[Decimal, BeforeValidator(_summa), AfterValidator(_positive)]
    security_token: Filled


class CheckStatus(Fields):
    deal_id: StrictInt
    security_token: Filled


def field_errors(model: type[Fields], body: Mapping[str, Any]) -> dict[str, Any]:
    """The errors in the shape of the request: `{"clientInfo": {"stateCode": ["…"]}, "summa": ["…"]}`; empty if none."""
    errors: dict[str, Any] = {}
    try:
        model.model_validate(body)
    except ValidationError as error:
        for found in error.errors(include_url=False, include_input=False):
            *outer, name = map(str, found["loc"])
            place = errors
            for each in outer:
                place = place.setdefault(each, {})
            place[name] = [TEXTS.get(found["type"], found["msg"].removeprefix("Value error, "))]
    return errors
