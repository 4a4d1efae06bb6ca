"""The types of the endpoints' fields, in the partner's names and formats."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Annotated, Literal, NotRequired, TypedDict

from pydantic import AfterValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from devstack.sandbox.partner import Filled, rfc3339, written_as


def _like(pattern: str) -> AfterValidator:
    return AfterValidator(written_as(pattern))


def _date_like(show: Callable[[datetime], str]) -> AfterValidator:
    def check(text: str) -> str:
        if show(datetime.fromisoformat(text)) != text:
            raise ValueError("another format")
        return text

    return AfterValidator(check)


def _id_in(collection: str) -> AfterValidator:
    def check(value: str, info: ValidationInfo[Mapping[str, Collection[str]]]) -> str:
        if value not in info.context[collection]:
            raise PydanticCustomError("not_found", "nothing has this id")
        return value

    return AfterValidator(check)


Id = Annotated[str, _like("[0-9a-f]{24}")]
AccountId = Annotated[Id, _id_in("accounts")]
PersonId = Annotated[Id, _id_in("people")]
OrderId = Annotated[Id, _id_in("orders")]
CategoryId = Annotated[Id, _id_in("categories")]
TemplateId = Annotated[Id, _id_in("templates")]
ConnectionId = Annotated[Id, _id_in("connections")]
TagId = Annotated[Id, _id_in("tags")]
UserId = Annotated[Id, _id_in("users")]
TunnelId = Annotated[Id, _id_in("tunnels")]
ToolId = Annotated[Id, _id_in("leadgentools")]

Text = Filled
Phone = Annotated[str, _like(r"\+?[0-9]{9,15}")]
Line = Annotated[str, _like(r"\+?[0-9]{2,15}")]  # a phone, or an extension such as `606`
Email = Annotated[str, _like(r"[^@\s]+@[^@\s]+\.[^@\s]+")]
Digits = Annotated[str, _like("[0-9]{1,9}")]
Instant = Annotated[str, _date_like(lambda at: rfc3339(at.timestamp()))]
Day = Annotated[str, _date_like(lambda at: f"{at:%Y-%m-%d}")]
PersonLinks = Annotated[str, _like("(contactedUsers|orders)(,(contactedUsers|orders))*")]

TunnelLinks = Annotated[str, _like("leadgentools")]


class Paging(TypedDict, total=False):
    limit: Annotated[Digits, _like(".*[1-9].*")]
    offset: Digits


class LastMessage(Paging, total=False):
    first_day: Annotated[Day, Field(alias="filter[last_message][from]")]
    last_day: Annotated[Day, Field(alias="filter[last_message][to]")]


class PeopleFilter(LastMessage, total=False):
    tags: Annotated[Text | list[Text], Field(alias="filter[tags]")]
    phone: Annotated[str, Field(alias="filter[phone]")]
    email: Annotated[str, Field(alias="filter[email]")]


class Contact(TypedDict):
    name: Text
    email: Email
    phone: Phone


class NewPerson(Contact):
    leadgentool_id: ToolId
    connected_users_ids: NotRequired[list[UserId]]


class CustomField(TypedDict):
    type: Text
    name: Text
    value: str


class PersonChanges(TypedDict, total=False):
    phone: Phone
    email: Email
    custom_fields: list[CustomField]


class NewOrder(TypedDict):
    paymentCreditsId: Annotated[Id, _id_in("payment_credits")]
    email: Email
    phone: Phone
    transactionDate: Instant
    offerId: Annotated[Id, _id_in("offers")]
    isNotifyAccount: Literal["true", "false"]
    personId: PersonId
    managerId: NotRequired[UserId]


class OrderChanges(TypedDict):
    status: Literal["RESOLVED", "REJECTED"]
    paymentDate: NotRequired[Annotated[str, _date_like(lambda at: f"{at:%Y-%m-%d %H:%M}")]]
    currency: NotRequired[Annotated[str, _like("[A-Z]{3}")]]
    price: NotRequired[Annotated[str, _like(r"[0-9]{1,12}(\.[0-9]{1,2})?")]]
    userComments: NotRequired[str]


Call = TypedDict(
    "Call",
    {
        "user_id": UserId,
        "from": Line,
        "to": Line,
        "date": Instant,
        "account_id": AccountId,
        "record_link": Annotated[str, _like(r"https?://[^\s]+|NOT_DEFINED")],
        "status": Literal["TALKING", "SUCCESS", "NO_ANSWER", "CLOSED_BY_SYSTEM"],
        "duration": Annotated[int, Field(ge=0, lt=10**9)] | Digits,
        "type": Literal["INBOUND", "OUTBOUND"],
    },
)
