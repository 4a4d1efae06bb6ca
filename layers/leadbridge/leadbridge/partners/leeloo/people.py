"""People: search, creation, invitations, comments and tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from leadbridge.partners.leeloo.client import Client
from leadbridge.partners.leeloo.models import Comment, LeelooPerson, NewPerson, PersonId, TagId
from leadbridge.partners.leeloo.recipients import has_email, has_phone
from leadbridge.runtime.budget import Budget

ANY_LAST_MESSAGE = (("filter[last_message][from]", "1970-01-01"), ("filter[last_message][to]", "2999-12-31"))
MAX_CANDIDATES = 20  # people with one phone number or e-mail address


@dataclass(frozen=True)
class SmsRecipient:
    """The recipient of a text message."""

    name: str
    email: str
    phone: str


@dataclass(frozen=True)
class People:
    """`people/…`"""

    client: Client
    always_by_last_message: bool = False

    def person_for(self, *, budget: Budget, phone: str | None = None, email: str | None = None) -> LeelooPerson | None:
        """Return the person with this phone number, else with this e-mail address, who has an account; else None.

        A listed person whose phone or e-mail differs is ignored: a message must not reach a stranger.
        """
        for name, value, matches in (("phone", phone, has_phone), ("email", email, has_email)):
            for person in self._search(name, value, budget) if value else ():
                if person.accounts and matches(person, value or ""):
                    return person
        return None

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
        """`POST people`: create a person with an account of the type `MANUAL`."""
        fields = {
            "name": name,
            "email": email,
            "phone": phone,
            "leadgentool_id": leadgentool_id,
            "connected_users_ids": None if connected_users_ids is None else [*connected_users_ids],
        }
        return self.client.send("person_create", "POST", ("people",), fields, budget).one(NewPerson)

    def send_sms(
        self,
        recipients: Sequence[SmsRecipient],
        *,
        connection_id: str,
        leadgentool_id: str,
        tags: Sequence[TagId] = (),
        budget: Budget,
    ) -> int | None:
        """`POST people/sms`: invite people by text message. Returns the number of recipients, None if unknown."""
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
        """`PUT people/{person_id}/add-comment`: add a comment to a person."""
        fields = {"comment": comment}
        return self.client.send("add_comment", "PUT", ("people", person_id, "add-comment"), fields, budget).one(Comment)

    def add_tag(self, person_id: PersonId, tag_id: TagId, *, budget: Budget) -> None:
        """`PUT people/{person_id}/add-tag`: add a tag to a person. `GET tags` lists the ids."""
        self.client.send("add_tag", "PUT", ("people", person_id, "add-tag"), {"tag_id": tag_id}, budget)

    def _search(self, name: str, value: str, budget: Budget) -> tuple[LeelooPerson, ...]:
        query = [
            *(ANY_LAST_MESSAGE if self.always_by_last_message else ()),
            (f"filter[{name}]", value),
            ("limit", str(MAX_CANDIDATES)),
            ("offset", "0"),
        ]
        return self.client.read("people_list", ("people",), budget, query).many(LeelooPerson)
