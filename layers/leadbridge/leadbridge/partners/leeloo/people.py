"""People: finding, making and changing them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import chain

from leadbridge.partners.leeloo.choosing import account_of, has_email, has_phone
from leadbridge.partners.leeloo.client import Client, Query
from leadbridge.partners.leeloo.models.ids import AccountId, PersonId, TagId
from leadbridge.partners.leeloo.models.people import Comment, CustomField, LeelooPerson, NewPerson, PersonDetails
from leadbridge.partners.leeloo.paging import PAGES, ROWS, paged
from leadbridge.partners.leeloo.wording import between
from leadbridge.runtime.budget import Budget

_EVER = (("filter[last_message][from]", "1970-01-01"), ("filter[last_message][to]", "2999-12-31"))
_NAMESAKES = 20  # people with one phone or address that are looked at


@dataclass(frozen=True)
class SmsRecipient:
    """Who gets a text message."""

    name: str
    email: str
    phone: str


@dataclass(frozen=True)
class People:
    """`people/…`"""

    client: Client
    always_by_last_message: bool = False

    def list(
        self,
        *,
        budget: Budget,
        tags: Sequence[str] = (),
        phone: str | None = None,
        email: str | None = None,
        last_message_since: datetime | None = None,
        last_message_until: datetime | None = None,
        limit: int = ROWS,
        pages: int = PAGES,
    ) -> Iterator[LeelooPerson]:
        """`GET people`, paged by itself; `tags` are all sent. Raises ValueError at once for a naive datetime."""
        query = [("filter[tags]", tag) for tag in tags]
        by_last_message = [*between(last_message_since, last_message_until)]
        query += by_last_message or (_EVER if self.always_by_last_message else ())
        query += [("filter[phone]", phone)] if phone else []
        query += [("filter[email]", email)] if email else []
        return self._paged(query, budget, limit, pages)

    def person_for(self, *, budget: Budget, phone: str | None = None, email: str | None = None) -> LeelooPerson | None:
        """The person with this phone, else with this e-mail, who has an account; None if there is none.

        Someone whom the partner lists without that very phone or e-mail is passed over: a message must not reach a
        stranger.
        """
        by_phone = self._alike(budget, phone=phone) if phone else ()
        by_email = self._alike(budget, email=email) if email else ()
        found = chain(
            (person for person in by_phone if phone and has_phone(person, phone)),
            (person for person in by_email if email and has_email(person, email)),
        )
        return next((person for person in found if person.accounts), None)

    def account_for(
        self, *, budget: Budget, phone: str | None = None, email: str | None = None, preferred: str | None = None
    ) -> AccountId | None:
        """The account to write to: `person_for`'s first of the `preferred` connection type, else the first."""
        person = self.person_for(phone=phone, email=email, budget=budget)
        return None if person is None else account_of(person, preferred)

    def get(self, person_id: PersonId, *, budget: Budget, include: Sequence[str] = ()) -> PersonDetails:
        """`GET people/{person_id}`; `include` may name `contactedUsers` and `orders`. Raises NotFound among others."""
        query = [("include", ",".join(include))] if include else []
        reply = self.client.read("person_get", ("people", person_id), budget, query)
        users = reply.included.get("users", reply.included.get("contactedUsers"))
        return reply.one(PersonDetails, users=users, orders=reply.included.get("orders"))

    def create(
        self,
        *,
        budget: Budget,
        name: str | None = None,
        email: str | None = None,
        phone: str | None = None,
        leadgentool_id: str | None = None,
        connected_users_ids: Sequence[str] | None = None,
    ) -> NewPerson:
        """`POST people`: a person, and an account of the type `MANUAL`."""
        fields = {
            "name": name,
            "email": email,
            "phone": phone,
            "leadgentool_id": leadgentool_id,
            "connected_users_ids": None if connected_users_ids is None else [*connected_users_ids],
        }
        return self.client.send("person_create", "POST", ("people",), fields, budget).one(NewPerson)

    def update(
        self,
        person_id: PersonId,
        *,
        budget: Budget,
        phone: str | None = None,
        email: str | None = None,
        custom_fields: Sequence[CustomField] | None = None,
    ) -> None:
        """`PUT people/{person_id}`: changes what is given."""
        fields = {
            "phone": phone,
            "email": email,
            "custom_fields": None
            if custom_fields is None
            else [field.model_dump(exclude_none=True) for field in custom_fields],
        }
        self.client.send("person_update", "PUT", ("people", person_id), fields, budget)

    def send_sms(
        self,
        recipients: Sequence[SmsRecipient],
        *,
        connection_id: str,
        leadgentool_id: str,
        tags: Sequence[TagId] = (),
        budget: Budget,
    ) -> int | None:
        """`POST people/sms`: invites people by text message; returns how many will get one, if it is told."""
        fields = {
            "data": [asdict(recipient) for recipient in recipients],
            "connection_id": connection_id,
            "leadgentool_id": leadgentool_id,
            "tags": [*tags],
        }
        data = self.client.send("people_sms", "POST", ("people", "sms"), fields, budget).data
        count = data.get("count_to_process") if isinstance(data, dict) else None
        return count if type(count) is int else None

    def add_comment(self, person_id: PersonId, comment: str, *, budget: Budget) -> Comment:
        """`PUT people/{person_id}/add-comment`."""
        fields = {"comment": comment}
        return self.client.send("add_comment", "PUT", ("people", person_id, "add-comment"), fields, budget).one(Comment)

    def add_tag(self, person_id: PersonId, tag_id: TagId, *, budget: Budget) -> None:
        """`PUT people/{person_id}/add-tag`; `Catalog.tag_id` finds the id of a name."""
        self.client.send("add_tag", "PUT", ("people", person_id, "add-tag"), {"tag_id": tag_id}, budget)

    def remove_tag(self, person_id: PersonId, tag_id: TagId, *, budget: Budget) -> None:
        """`PUT people/{person_id}/remove-tag`."""
        self.client.send("remove_tag", "PUT", ("people", person_id, "remove-tag"), {"tag_id": tag_id}, budget)

    def _alike(self, budget: Budget, *, phone: str | None = None, email: str | None = None) -> Iterator[LeelooPerson]:
        return self.list(phone=phone, email=email, limit=_NAMESAKES, pages=1, budget=budget)

    def _paged(self, query: Query, budget: Budget, limit: int, pages: int) -> Iterator[LeelooPerson]:
        return paged(
            LeelooPerson,
            lambda asked: self.client.read("people_list", ("people",), budget, asked),
            query,
            limit=limit,
            pages=pages,
        )
