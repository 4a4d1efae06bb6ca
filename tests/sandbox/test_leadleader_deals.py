"""Lead Leader's contract: one-time tokens, create, check-status, and how deals move."""

from collections.abc import Callable
from typing import Any

import pytest

from devstack.sandbox.leadleader.authorization import TokenPairs
from devstack.sandbox.remote import ControlError, Remote
from quality.testkit.sandbox.client import Client, Tokens, application, bearer, call
from quality.testkit.sandbox.clock import Clock

REFUSED_TOKEN = {"detail": "Given token not valid for any token type", "code": "token_not_valid"}
HAND_WRITTEN = (
    '{"clientInfo": {"PIB": "А Б В", "telephone": "0501234567", "stateCode": "3652504575", "activity": "x"},'
    ' "termin": 12, "summa": SUMMA, "security_token": TOKEN}'
)

type Change = Callable[[dict[str, Any]], object]


def _is_refused(answer: dict[str, Any]) -> bool:
    return answer.items() >= REFUSED_TOKEN.items()


def test_a_deal_is_created_and_kept(client: Client, remote: Remote) -> None:
    answer = client.create()
    assert answer.status == 200
    assert answer.json == {"message": "Заявку було успішно створено", "deal_id": 1}
    deal = remote.get(f"leadleader/deals/{1}")
    assert deal["clientInfo"] == application()["clientInfo"]
    assert (deal["termin"], deal["summa"], deal["status"]) == (12, "6000", "В обробці")


def test_tokens_are_good_for_one_call(client: Client) -> None:
    tokens = client.authorize()
    deal_id = client.create(tokens=tokens).json["deal_id"]
    assert client.create(tokens=tokens).status == 401
    assert _is_refused(client.status(deal_id, tokens).json)


def test_a_refusal_of_the_fields_spends_the_tokens_too(client: Client) -> None:
    tokens = client.authorize()
    assert client.create({}, tokens).status == 400
    assert client.create(tokens=tokens).status == 401


def test_tokens_of_different_pairs_are_refused_and_both_pairs_spent(client: Client) -> None:
    one, other = client.authorize(), client.authorize()
    assert _is_refused(client.create(tokens=Tokens(one.access, other.security)).json)
    assert client.create(tokens=one).status == 401
    assert client.create(tokens=other).status == 401


def test_unknown_tokens_and_no_tokens_are_refused(client: Client) -> None:
    assert client.create(tokens=Tokens("a.b.c", "0" * 32)).status == 401
    missing = call(f"{client.base_url}create-short-deal/", application())
    assert (missing.status, missing.json["code"]) == (401, "not_authenticated")


def test_a_missing_security_token_is_a_missing_field(client: Client) -> None:
    answer = call(f"{client.base_url}create-short-deal/", application(), headers=bearer(client.authorize()))
    assert (answer.status, answer.json.keys()) == (400, {"security_token"})


def test_tokens_expire_after_a_day(client: Client, clock: Clock) -> None:
    tokens = client.authorize()
    clock.now += 24 * 3600
    assert client.create(tokens=tokens).status == 401


def test_only_so_many_pairs_are_remembered(clock: Clock) -> None:
    pairs = TokenPairs(clock, limit=2)
    oldest, *_ = (pairs.issue() for _ in range(3))
    assert pairs.spend(oldest.access, oldest.security) == "unknown or used"


@pytest.mark.parametrize("summa", ["6000.00", "6000", "0.01", "6E+3", "9999999999999999.99"])
def test_summa_is_kept_with_all_its_digits(client: Client, remote: Remote, summa: str) -> None:
    assert client.create_raw(HAND_WRITTEN.replace("SUMMA", summa)).status == 200
    assert remote.get(f"leadleader/deals/{1}")["summa"] == summa
    assert remote.calls(operation="create")[0]["summa"] == summa


@pytest.mark.parametrize("summa", ['"6000.00"', "0", "-1", "0.001", "6000.000", "true", "null", "[]"])
def test_any_other_summa_is_refused(client: Client, remote: Remote, summa: str) -> None:
    answer = client.create_raw(HAND_WRITTEN.replace("SUMMA", summa))
    assert (answer.status, answer.json.keys()) == (400, {"summa"})
    assert remote.rows("leadleader/deals") == []


@pytest.mark.parametrize("summa", ["NaN", "Infinity", "06000", "6000,00"])
def test_a_summa_that_is_no_json_is_malformed(client: Client, summa: str) -> None:
    answer = client.create_raw(HAND_WRITTEN.replace("SUMMA", summa))
    assert (answer.status, answer.json.keys()) == (400, {"detail"})


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda b: b.pop("clientInfo"), "clientInfo"),
        (lambda b: b.update(clientInfo=[]), "clientInfo"),
        (lambda b: b.pop("termin"), "termin"),
        (lambda b: b.update(termin="12"), "termin"),
        (lambda b: b.update(termin=12.0), "termin"),
        (lambda b: b.update(termin=True), "termin"),
        (lambda b: b.update(termin=0), "termin"),
        (lambda b: b.update(currency="UAH"), "currency"),
        (lambda b: b.update(security_token=None), "security_token"),
        (lambda b: b["clientInfo"].pop("PIB"), "clientInfo.PIB"),
        (lambda b: b["clientInfo"].update(PIB=" "), "clientInfo.PIB"),
        (lambda b: b["clientInfo"].update(telephone="+380501234567"), "clientInfo.telephone"),
        (lambda b: b["clientInfo"].update(telephone="0501234567\n"), "clientInfo.telephone"),
        (lambda b: b["clientInfo"].update(telephone=501234567), "clientInfo.telephone"),
        (lambda b: b["clientInfo"].update(stateCode="365250457"), "clientInfo.stateCode"),
        (lambda b: b["clientInfo"].update(stateCode="٣٦٥٢٥٠٤٥٧٥"), "clientInfo.stateCode"),
        (lambda b: b["clientInfo"].update(activity=None), "clientInfo.activity"),
        (lambda b: b["clientInfo"].update(email=""), "clientInfo.email"),
        (lambda b: b["clientInfo"].update(city=None), "clientInfo.city"),
        (lambda b: b["clientInfo"].update(phone="0501234567"), "clientInfo.phone"),
    ],
)
def test_a_field_out_of_line_is_refused_by_its_name(client: Client, remote: Remote, change: Change, where: str) -> None:
    answer = client.create(application(change))
    assert answer.status == 400
    errors = answer.json
    for name in where.split("."):
        assert errors.keys() == {name}
        errors = errors[name]
    assert len(errors) == 1
    assert remote.rows("leadleader/deals") == []


def test_optional_fields_are_taken(client: Client, remote: Remote) -> None:
    optional = {"email": "olha@example.com", "city": "Київ", "region": "Київська область"}
    client.create(application(lambda b: b["clientInfo"].update(optional)))
    assert remote.get(f"leadleader/deals/{1}")["clientInfo"].items() >= optional.items()


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_the_status_is_reported_by_either_method(client: Client, method: str) -> None:
    deal_id = client.create().json["deal_id"]
    answer = client.status(deal_id, method=method)
    assert answer.status == 200
    assert answer.json == {"message": "Статус отримано", "status": "В обробці"}


@pytest.mark.parametrize(("deal_id", "status"), [(999, 404), ("1", 400), (True, 400), (1.0, 400), (None, 400)])
def test_no_status_for_what_is_no_deal(client: Client, deal_id: object, status: int) -> None:
    client.create()
    assert client.status(deal_id).status == status


def test_a_deal_is_approved_and_granted_as_time_passes(client: Client, clock: Clock) -> None:
    deal_id = client.create().json["deal_id"]
    seen = []
    for _ in range(4):
        seen.append(client.status(deal_id).json["status"])
        clock.now += 10
    assert seen == ["В обробці", "Погоджено", "Видано", "Видано"]


def test_a_deal_over_half_a_million_is_refused(client: Client, clock: Clock) -> None:
    deal_id = client.create(application(lambda b: b.update(summa=500_000.01))).json["deal_id"]
    assert client.status(deal_id).json["status"] == "В обробці"
    clock.now += 100
    assert client.status(deal_id).json["status"] == "Відмовлено"


def test_a_slower_pace_takes_nothing_back(client: Client, remote: Remote, clock: Clock) -> None:
    deal_id = client.create().json["deal_id"]
    clock.now += 10
    remote.post("pace", {"seconds": 1000})
    assert client.status(deal_id).json["status"] == "Погоджено"
    remote.post("pace", {"seconds": 0})
    assert client.status(deal_id).json["status"] == "Видано"


def test_a_pinned_deal_stays(client: Client, remote: Remote, clock: Clock) -> None:
    deal_id = client.create().json["deal_id"]
    assert remote.post(f"leadleader/deals/{deal_id}", {"status": "Потрібні документи"})["pinned"] is True
    clock.now += 1000
    assert client.status(deal_id).json["status"] == "Потрібні документи"
    assert [step["status"] for step in remote.get(f"leadleader/deals/{deal_id}")["history"]] == [
        "В обробці",
        "Потрібні документи",
    ]


def test_a_deal_that_is_not_there_cannot_be_pinned(remote: Remote) -> None:
    with pytest.raises(ControlError, match="404"):
        remote.post(f"leadleader/deals/{1}", {"status": "Видано"})
