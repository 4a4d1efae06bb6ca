"""Match-Trade's profile for chaos runs."""

from collections.abc import Iterator

from devstack.sandbox.matchtrade.accounts import STATUSES
from devstack.sandbox.profile import PartnerRecord, Profile
from devstack.sandbox.remote import Remote


def records(remote: Remote) -> Iterator[PartnerRecord]:
    offset = 0
    while found := remote.rows("accounts", offset=offset):
        for account in found:
            yield PartnerRecord(
                remote.partner,
                account["uuid"],
                account["leadStatus"],
                {"email": account["email"]},
                moves=account["moves"],
                is_registered=account["origin"] == "registered",
            )
        offset += len(found)


PROFILE = Profile(
    weight=3,
    operations=("token", "create", "create", "list"),
    rotations=("password", "client_secret"),
    id_field="account_uuid",
    refusal={"status": 400, "message": "Country is not allowed", "printableMessage": "Country is not allowed"},
    refused_by="email",
    refused_field="account.email",
    refused_share=0.1,
    open_statuses=STATUSES,
    last_statuses=frozenset({"ACTIVE_CLIENT", "NO_POTENTIAL"}),
    records=records,
    person_of=lambda call: {"email": call["email"]},
    find=lambda remote, person, _known: next(
        (one["uuid"] for one in remote.rows("accounts", email=person.email)), None
    ),
    status=lambda remote, uuid: str(remote.get(f"accounts/{uuid}")["leadStatus"]),
    put_status=lambda remote, uuid, status: remote.post(f"accounts/{uuid}", {"status": status}),
    after_rotation=lambda remote: remote.post("expire"),
    trusts_success=True,
)
