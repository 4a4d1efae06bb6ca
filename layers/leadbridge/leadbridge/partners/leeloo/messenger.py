"""The `Messenger` port over Leeloo: find or create a person, invite, send, add a CRM note."""

from __future__ import annotations

from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import Misconfigured, Rejected, Unavailable, Unknown
from leadbridge.domain.lead import Person
from leadbridge.domain.recipient import Content, Recipient
from leadbridge.partners.leeloo import Leeloo
from leadbridge.partners.leeloo.models import AccountId, PersonId
from leadbridge.partners.leeloo.people import SmsRecipient
from leadbridge.partners.leeloo.recipients import account_of
from leadbridge.runtime.budget import Budget
from leadbridge.settings.messages import ChannelSettings

MAX_LOOKUP_CALLS = 3  # two searches and one creation


class LeelooMessenger:
    """Implements `services.ports.messages.Messenger`."""

    def __init__(self, leeloo: Leeloo, channel: ChannelSettings) -> None:
        self._leeloo = leeloo
        self._channel = channel

    @property
    def seconds_per_send(self) -> float:
        """Seconds that sending can take, or a CRM note with a few tags."""
        return 2 * self._leeloo.seconds_per_call

    @property
    def seconds_per_message(self) -> float:
        """Seconds that finding the account and sending can take together."""
        return (2 + MAX_LOOKUP_CALLS) * self._leeloo.seconds_per_call

    def find(self, person: Person, budget: Budget) -> Recipient | None:
        """Find by phone, then by e-mail. Choose the account of the preferred messenger, else the first."""
        found = self._leeloo.people.person_for(phone=person.phone, email=person.email, budget=budget)
        account_id = None if found is None else account_of(found, self._channel.preferred or None)
        return None if found is None or account_id is None else Recipient(account_id, found.locale, found.id)

    def make(self, person: Person, budget: Budget) -> Recipient | None:
        """Create the person with the configured lead tool. Returns None without one, or after a rejection."""
        if not self._channel.lead_tool or self._channel.sms_connection:
            return None
        try:
            created = self._leeloo.people.create(
                name=person.full_name,
                email=person.email,
                phone=person.phone,
                leadgentool_id=self._channel.lead_tool,
                budget=budget,
            )
        except Rejected:
            return None
        return Recipient(created.account_id, person_id=created.person_id)

    def invite(self, person: Person, budget: Budget) -> bool:
        """Invite by SMS. Returns False without an SMS connection or a phone.

        Raises Misconfigured if `lead_tool`, which an SMS connection requires, is missing.
        """
        if not self._channel.sms_connection or person.phone is None:
            return False
        if not self._channel.lead_tool:
            text = "an SMS connection needs a lead tool"
            raise Misconfigured("leeloo", "people_sms", text, code=ErrorCode.SETTINGS_INCOMPLETE)
        recipient = SmsRecipient(person.full_name or "", person.email or "", person.phone)
        self._leeloo.people.send_sms(
            [recipient],
            connection_id=self._channel.sms_connection,
            leadgentool_id=self._channel.lead_tool,
            budget=budget,
        )
        return True

    def send(self, account_id: str, content: Content, budget: Budget) -> None:
        """Send the template if there is one, else the text."""
        to = AccountId(account_id)
        if content.template_id is not None:
            self._leeloo.messages.send_template(to, content.template_id, content.variables, budget=budget)
        else:
            self._leeloo.messages.send_text(to, content.text or "", budget=budget)

    def note(self, person_id: str, content: Content, budget: Budget) -> None:
        """Add tags, then the comment.

        Adding a tag is idempotent, so a lost reply is Unavailable. A tag that Leeloo does not have is ignored.
        """
        to = PersonId(person_id)
        tags = {tag.name: tag.id for tag in self._leeloo.catalog.tags(budget=budget)} if content.tags else {}
        for name in content.tags:
            tag_id = tags.get(name)
            if tag_id is not None:
                try:
                    self._leeloo.people.add_tag(to, tag_id, budget=budget)
                except Unknown as error:
                    raise Unavailable.of(error) from None
        if content.comment is not None:
            self._leeloo.people.add_comment(to, content.comment, budget=budget)
