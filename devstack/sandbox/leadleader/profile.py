"""Lead Leader's profile for chaos runs."""

from collections.abc import Iterator

from devstack.sandbox.profile import PartnerRecord, Profile
from devstack.sandbox.remote import Remote


def records(remote: Remote) -> Iterator[PartnerRecord]:
    for deal in remote.rows("deals"):
        person = {"phone": deal["clientInfo"]["telephone"]}
        partner, is_pinned = remote.partner, deal["pinned"]
        yield PartnerRecord(partner, deal["deal_id"], deal["status"], person, is_pinned=is_pinned)


PROFILE = Profile(
    weight=5,
    operations=("authorize", "create", "create", "create", "status"),
    rotations=("password", "private_key"),
    id_field="deal_id",
    refusal={"clientInfo": {"stateCode": ["Клієнт у стоп-листі."]}},
    refused_by="tax_number",
    refused_field="clientInfo.stateCode",
    refused_share=0.15,
    open_statuses=("В обробці", "Погоджено", "На підписі"),
    last_statuses=frozenset({"Видано", "Відмовлено", "Скасовано"}),
    records=records,
    person_of=lambda call: {"phone": call["telephone"]},
    find=lambda remote, person, known: min(
        {one["deal_id"] for one in remote.rows("deals") if person.is_in(one["clientInfo"])} - {*known}, default=None
    ),
    status=lambda remote, deal_id: str(remote.get(f"deals/{deal_id}")["status"]),
    put_status=lambda remote, deal_id, status: remote.post(f"deals/{deal_id}", {"status": status}),
    always_ends=True,
)
