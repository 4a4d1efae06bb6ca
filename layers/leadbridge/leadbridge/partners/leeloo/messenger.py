"""Leeloo as the one who takes messages to people: finding their account, making them known, sending."""

from __future__ import annotations

from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import Misconfigured, Rejected, Unavailable, Unknown
from leadbridge.domain.lead import Person
from leadbridge.domain.recipient import Content, Recipient
from leadbridge.partners.leeloo import Leeloo
from leadbridge.partners.leeloo.choosing import account_of
from leadbridge.partners.leeloo.models.ids import AccountId, PersonId
from leadbridge.partners.leeloo.people import SmsRecipient
from leadbridge.runtime.budget import Budget
from leadbridge.settings.messages import ChannelSettings

LOOK_UPS = 3  # calls that finding and making a person may take


class LeelooMessenger:
    """`leads.messaging.Messenger` over Leeloo's API."""

    def __init__(self, leeloo: Leeloo, channel: ChannelSettings) -> None:
        self._leeloo = leeloo
        self._channel = channel
        self._people, self._messages = leeloo.people, leeloo.messages  # imported here, before anybody waits

    @property
    def seconds_per_send(self) -> float:
        """Seconds that sending, or noting a few tags and a comment, can take."""
        return 2 * self._leeloo.seconds_per_call

    @property
    def seconds_per_message(self) -> float:
        """Seconds that finding the account and sending can take together."""
        return (2 + LOOK_UPS) * self._leeloo.seconds_per_call

    def find(self, person: Person, budget: Budget) -> Recipient | None:
        """By phone, then by e-mail; the account of the preferred messenger, else the first."""
        known = self._people.person_for(phone=person.phone, email=person.email, budget=budget)
        account_id = None if known is None else account_of(known, self._channel.preferred or None)
        return None if known is None or account_id is None else Recipient(account_id, known.locale, known.id)

    def make(self, person: Person, budget: Budget) -> Recipient | None:
        """With the configured lead tool; None without one, and for a person whom Leeloo does not take."""
        if not self._channel.lead_tool or self._channel.sms_connection:
            return None
        try:
            made = self._people.create(
                name=person.full_name,
                email=person.email,
                phone=person.phone,
                leadgentool_id=self._channel.lead_tool,
                budget=budget,
            )
        except Rejected:
            return None
        return None if made.account_id is None else Recipient(made.account_id, person_id=made.person_id)

    def invite(self, person: Person, budget: Budget) -> bool:
        """Over the configured SMS connection. Raises Misconfigured where the lead tool that it needs is missing."""
        if not self._channel.sms_connection or person.phone is None:
            return False
        if not self._channel.lead_tool:
            text = "an SMS connection needs a lead tool"
            raise Misconfigured("leeloo", "people_sms", text, code=ErrorCode.SETTINGS_INCOMPLETE)
        recipient = SmsRecipient(person.full_name or "", person.email or "", person.phone)
        self._people.send_sms(
            [recipient],
            connection_id=self._channel.sms_connection,
            leadgentool_id=self._channel.lead_tool,
            budget=budget,
        )
        return True

    def send(self, account_id: str, content: Content, budget: Budget) -> None:
        """A template if there is one, else the text."""
        to = AccountId(account_id)
        if content.template_id is not None:
            self._messages.send_template(to, content.template_id, content.variables, budget=budget)
        else:
            self._messages.send_text(to, content.text or "", budget=budget)

    def note(self, person_id: str, content: Content, budget: Budget) -> None:
        """Tags first, which may be added twice, the comment last; a tag that Leeloo does not know is passed over."""
        to = PersonId(person_id)
        tags = {tag.name: tag.id for tag in self._leeloo.catalog.tags(budget=budget)} if content.tags else {}
        for name in content.tags:
            tag_id = tags.get(name)
            if tag_id is not None:
                try:
                    self._people.add_tag(to, tag_id, budget=budget)
                except Unknown as error:
                    raise Unavailable.of(error) from None
        if content.comment is not None:
            self._people.add_comment(to, content.comment, budget=budget)
