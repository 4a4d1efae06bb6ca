"""Lead Leader's contract, the calls: what arrives at the partner, and what its refusals mean."""

from collections.abc import Callable
from decimal import Decimal
from email.utils import formatdate
from time import time
from typing import Any, Literal
from unittest.mock import patch

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import Misconfigured, RateLimited, Rejected, Unauthorized
from leadbridge.partners.leadleader.client import DealAuthorization
from quality.testkit.clients.leadleader import PARTNER, World, budget, lead

type Break = Callable[[], dict[str, Any]]


def _public(key: rsa.RSAPrivateKey) -> str:
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, kind).decode()


def _private(key: rsa.RSAPrivateKey) -> str:
    kind = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()).decode()


def _key(bits: int = 1024) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


# What is wrong with the secret, and what of our own words tells the operator so.
WRONG_SECRETS = [
    pytest.param(lambda: {"partner_public_key": _public(_key())}, ErrorCode.KEY_REFUSED, id="another public key"),
    pytest.param(lambda: {"private_key": _private(_key(2048))}, ErrorCode.KEY_REFUSED, id="a private key too long"),
    pytest.param(lambda: {"private_key": _private(_key())}, ErrorCode.KEY_REFUSED, id="another private key"),
    pytest.param(lambda: {"email": "nobody@example.com"}, ErrorCode.LOGIN_UNKNOWN, id="an unknown e-mail"),
    pytest.param(lambda: {"password": "wrong"}, ErrorCode.PASSWORD_WRONG, id="a wrong password"),
]
UNUSABLE_SECRETS = [
    pytest.param(lambda: {"partner_public_key": "no key"}, ErrorCode.KEY_INVALID, id="no public key"),
    pytest.param(lambda: {"private_key": "no key"}, ErrorCode.KEY_INVALID, id="no private key"),
    pytest.param(lambda: {"password": "ї" * 44}, ErrorCode.KEY_INVALID, id="a password too long"),
    pytest.param(lambda: {"password": ""}, ErrorCode.SECRET_INCOMPLETE, id="no password"),
    pytest.param(lambda: {"status_method": "PUT"}, ErrorCode.SECRET_INCOMPLETE, id="a method that is none"),
    pytest.param(lambda: {"status_method": ["GET"]}, ErrorCode.SECRET_INCOMPLETE, id="a list for a method"),
    pytest.param(lambda: {"auth_url": "ftp://example.com/"}, ErrorCode.ADDRESS_INVALID, id="an address that is none"),
]


def arrived(world: World, operation: str) -> dict[str, Any]:
    """The one call of this operation."""
    (call,) = world.remote.calls(PARTNER, operation)
    return call


def test_a_lead_becomes_a_deal(world: World) -> None:
    deal_id = world.client().authorize(budget()).create(lead(), budget())
    (deal,) = world.remote.rows("leadleader/deals")
    assert deal["deal_id"] == deal_id
    assert deal["clientInfo"] == {
        "PIB": "Мар'яненко Ольга Петрівна",
        "telephone": "0501234567",
        "stateCode": "3652504575",
        "activity": "Вчителька",
    }
    assert (deal["termin"], deal["summa"]) == (12, "6000.00")


def test_optional_fields_arrive_when_the_lead_has_them(world: World) -> None:
    person: dict[str, Any] = {
        "person__email": "o@example.com",
        "person__city": "Львів",
        "person__region": "Львівська область",
    }
    world.client().authorize(budget()).create(lead(**person), budget())
    sent = arrived(world, "create")["clientInfo"]
    assert (sent["email"], sent["city"], sent["region"]) == ("o@example.com", "Львів", "Львівська область")


def test_empty_optional_fields_are_left_out(world: World) -> None:
    person: dict[str, Any] = {"person__email": " ", "person__city": "", "person__region": None}
    world.client().authorize(budget()).create(lead(**person), budget())
    assert arrived(world, "create")["clientInfo"].keys() == {"PIB", "telephone", "stateCode", "activity"}


@pytest.mark.parametrize(
    "name",
    ["Ґалаґан Їжакевич-Єнакієве Є'юлія", "Мар’яненко Ольга Петрівна", "О\u02bcКоннор 😀 «Ольга»", 'a"\\\u2028b c'],
)
def test_names_arrive_letter_for_letter(world: World, name: str) -> None:
    expected = " ".join(name.split())
    world.client().authorize(budget()).create(lead(person__full_name=name), budget())
    assert arrived(world, "create")["clientInfo"]["PIB"] == expected


@pytest.mark.parametrize("phone", ["0501234567", "80501234567", "380501234567", "+380501234567", "+38 (050) 123-45-67"])
def test_phones_arrive_the_way_the_partner_writes_them(world: World, phone: str) -> None:
    world.client().authorize(budget()).create(lead(person__phone=phone), budget())
    assert arrived(world, "create")["telephone"] == "0501234567"


@pytest.mark.parametrize(
    "amount",
    [
        "6000",
        "6000.0",
        "6000.00",
        "0.01",
        "0.1",
        "1.10",
        "1000000",
        "123456.78",
        "45035996273704.97",
        "9007199254740993",
        "9999999999999999",
        "12345678901234.56",
        "99999999999999.99",
    ],
)
@pytest.mark.parametrize("kind", [Decimal, str])
def test_the_amount_arrives_as_it_was_written(world: World, amount: str, kind: Callable[[str], object]) -> None:
    world.client().authorize(budget()).create(lead(loan__amount=kind(amount)), budget())
    assert arrived(world, "create")["summa"] == amount


@pytest.mark.parametrize(
    ("written", "arrives"), [("6E+3", "6000"), ("1.5E+2", "150"), ("1E-2", "0.01"), ("9.99E15", "9990000000000000")]
)
def test_an_amount_with_an_exponent_arrives_in_full(world: World, written: str, arrives: str) -> None:
    world.client().authorize(budget()).create(lead(loan__amount=Decimal(written)), budget())
    assert arrived(world, "create")["summa"] == arrives


def test_the_status_comes_in_the_partners_words(world: World) -> None:
    client = world.client()
    deal_id = client.authorize(budget()).create(lead(), budget())
    assert client.status(deal_id, budget()) == "В обробці"
    world.remote.post(f"leadleader/deals/{deal_id}", {"status": "Чекаємо на «довідку»"})
    assert client.status(deal_id, budget()) == "Чекаємо на «довідку»"


def test_white_space_in_a_status_is_no_difference(world: World) -> None:
    client = world.client()
    deal_id = client.authorize(budget()).create(lead(), budget())
    world.remote.post(f"leadleader/deals/{deal_id}", {"status": " В\u00a0 обробці "})
    assert client.status(deal_id, budget()) == "В обробці"


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_the_status_is_asked_for_by_the_method_that_the_settings_name(
    world: World, method: Literal["POST", "GET"]
) -> None:
    client = world.client(status_method=method)
    deal_id = client.authorize(budget()).create(lead(), budget())
    assert client.status(deal_id, budget()) == "В обробці"
    assert arrived(world, "status")["method"] == method
    assert arrived(world, "status")["deal_id"] == deal_id


@pytest.mark.parametrize(("of_settings", "of_secret"), [("POST", "GET"), ("GET", "POST")])
def test_the_secrets_method_wins_over_the_settings(
    world: World, of_settings: Literal["POST", "GET"], of_secret: str
) -> None:
    world.vault.replace(status_method=of_secret)
    client = world.client(status_method=of_settings)
    deal_id = client.authorize(budget()).create(lead(), budget())
    assert client.status(deal_id, budget()) == "В обробці"
    assert arrived(world, "status")["method"] == of_secret


def test_the_status_of_an_unknown_deal_is_refused(world: World) -> None:
    with pytest.raises(Rejected):
        world.client().status(10**9, budget())


def test_every_call_has_tokens_of_its_own(world: World) -> None:
    client = world.client()
    deals = [client.authorize(budget()).create(lead(), budget()) for _ in range(3)]
    for deal_id in deals:
        client.status(deal_id, budget())
    shown = world.tokens_shown()
    assert len(shown) == 12
    assert len(set(shown)) == len(shown)
    assert len(world.remote.calls(PARTNER, "authorize")) == 6


def test_spent_tokens_are_refused_and_make_no_second_deal(world: World) -> None:
    authorized = world.client().authorize(budget())
    authorized.create(lead(), budget())
    with pytest.raises(Unauthorized):
        authorized.create(lead(), budget())
    assert len(world.remote.rows("leadleader/deals")) == 1


def test_the_authorization_may_stand_at_the_create_address(world: World) -> None:
    world.vault.replace(auth_url=f"{world.vault.kept['base_url']}create-short-deal/")
    assert world.client().authorize(budget()).create(lead(), budget()) > 0


def test_a_base_address_without_its_last_slash_is_the_same(world: World) -> None:
    world.vault.replace(base_url=world.vault.kept["base_url"].rstrip("/"))
    assert world.client().authorize(budget()).create(lead(), budget()) > 0


@pytest.mark.parametrize(("changes", "code"), WRONG_SECRETS)
def test_each_authorization_error_is_misconfigured_after_the_secret_was_read_again_once(
    world: World, changes: Break, code: ErrorCode
) -> None:
    world.vault.replace(**changes())
    with pytest.raises(Misconfigured) as caught:
        world.client().authorize(budget())
    assert caught.value.code is code
    if code is ErrorCode.KEY_REFUSED:
        assert caught.value.data == {"fields": [*changes()]}
    assert caught.value.certain
    assert world.vault.reads == ["cached", "anew"]


@pytest.mark.parametrize(("changes", "code"), WRONG_SECRETS)
def test_a_secret_that_still_fails_when_read_again_is_tried_twice_and_no_more(
    world: World, changes: Break, code: ErrorCode
) -> None:
    world.vault.kept = {**world.vault.kept, "password": "yesterday's"}
    broken = {**world.vault.current(), **changes()}
    world.vault.current = lambda: broken
    with pytest.raises(Misconfigured) as caught:
        world.client().authorize(budget())
    assert caught.value.code is code
    assert world.vault.reads == ["cached", "anew"]
    assert len(world.remote.calls(PARTNER, "authorize")) == 2


@pytest.mark.parametrize(("changes", "code"), WRONG_SECRETS)
def test_an_authorization_error_ends_after_the_secret_was_corrected(
    world: World, changes: Break, code: ErrorCode
) -> None:
    world.vault.kept = {**world.vault.kept, **changes()}
    assert world.client().authorize(budget()).create(lead(), budget()) > 0
    assert world.vault.reads == ["cached", "anew"]


@pytest.mark.parametrize(("changes", "code"), UNUSABLE_SECRETS)
def test_a_secret_that_cannot_work_is_misconfigured_before_anything_is_sent(
    world: World, changes: Break, code: ErrorCode
) -> None:
    world.vault.replace(**changes())
    with pytest.raises(Misconfigured) as caught:
        world.client().authorize(budget())
    assert caught.value.code is code
    assert world.remote.calls(PARTNER) == []


@pytest.mark.parametrize(("changes", "code"), UNUSABLE_SECRETS)
def test_a_secret_that_cannot_work_is_read_again_too(world: World, changes: Break, code: ErrorCode) -> None:
    world.vault.kept = {**world.vault.kept, **changes()}
    assert world.client().authorize(budget()).create(lead(), budget()) > 0


@pytest.mark.parametrize("what", ["password", "private_key"])
def test_a_rotation_in_the_middle_recovers_automatically(world: World, what: str) -> None:
    client = world.client()
    client.authorize(budget()).create(lead(), budget())
    world.remote.rotate(PARTNER, what)
    assert client.authorize(budget()).create(lead(), budget()) > 0
    assert world.vault.reads == ["cached", "cached", "anew"]


def test_a_secret_that_another_thread_read_again_is_used(world: World) -> None:
    """The statuses of a batch are read concurrently: only the first rejected call reads the rotated secret."""
    client, vault = world.client(), world.vault
    world.remote.rotate(PARTNER, "password")
    old, kept = vault.kept, vault.current()
    vault.kept, vault.just_read = kept, True
    with patch.object(vault, "get", side_effect=[old, kept]):
        assert client.authorize(budget()).create(lead(), budget()) > 0


def test_a_secret_that_was_read_a_moment_ago_is_not_certainly_wrong(world: World) -> None:
    world.remote.rotate(PARTNER, "password")
    world.vault.just_read = True
    with pytest.raises(Misconfigured) as caught:
        world.client().authorize(budget())
    assert not caught.value.certain
    assert (caught.value.retry_after or 0) > 0
    assert len(world.remote.calls(PARTNER)) == 1


def test_an_error_text_is_known_whatever_its_white_space(world: World) -> None:
    body = {"error": " Пароль\u00a0невірний\n"}
    world.remote.arm(PARTNER, "authorize", {"kind": "answer", "status": 400, "body": body}, times=None)
    with pytest.raises(Misconfigured) as caught:
        world.client().authorize(budget())
    assert caught.value.code is ErrorCode.PASSWORD_WRONG


def test_an_error_text_fails_an_authorization_even_on_200(world: World) -> None:
    body = {"error": "Такого користувача не існує"}
    world.remote.arm(PARTNER, "authorize", {"kind": "answer", "status": 200, "body": body}, times=None)
    with pytest.raises(Misconfigured):
        world.client().authorize(budget())


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda authorized: authorized.create(lead(), budget()), id="create"),
        pytest.param(lambda authorized: authorized.status(1, "POST", budget()), id="status"),
    ],
)
def test_a_401_is_unauthorized_and_the_secret_is_read_again(
    world: World, call: Callable[[DealAuthorization], object]
) -> None:
    world.remote.arm(PARTNER, None, {"kind": "answer", "status": 401, "body": {"detail": "no"}}, skip=1)
    authorized = world.client().authorize(budget())
    with pytest.raises(Unauthorized):
        call(authorized)
    assert world.vault.reads == ["cached", "anew"]


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        ({"kind": "rate_limit", "retry_after": 30}, 30),
        ({"kind": "rate_limit", "retry_after": 0}, 0),
        ({"kind": "rate_limit"}, None),
        ({"kind": "answer", "status": 503, "headers": {"Retry-After": "7"}}, 7),
        ({"kind": "answer", "status": 429, "headers": {"Retry-After": "soon"}}, None),
        ({"kind": "answer", "status": 429, "headers": {"Retry-After": "-1"}}, None),
    ],
)
@pytest.mark.parametrize("operation", ["authorize", "create"])
def test_the_wait_that_the_partner_asks_for_is_reported(
    world: World, operation: str, answer: dict[str, Any], seconds: float | None
) -> None:
    world.remote.arm(PARTNER, operation, answer)
    with pytest.raises(RateLimited) as caught:
        world.client().authorize(budget()).create(lead(), budget())
    assert caught.value.retry_after == seconds


def test_a_wait_given_as_a_date_is_counted_from_now(world: World) -> None:
    headers = {"Retry-After": formatdate(time() + 120, usegmt=True)}
    world.remote.arm(PARTNER, "create", {"kind": "answer", "status": 429, "headers": headers})
    with pytest.raises(RateLimited) as caught:
        world.client().authorize(budget()).create(lead(), budget())
    assert caught.value.retry_after == pytest.approx(120, abs=5)


def test_a_refusal_names_the_fields_and_quotes_nothing(world: World) -> None:
    body = {"clientInfo": {"stateCode": ["3652504575 вже існує"]}, "summa": ["too much"]}
    world.remote.arm(PARTNER, "create", {"kind": "answer", "status": 400, "body": body})
    with pytest.raises(Rejected) as caught:
        world.client().authorize(budget()).create(lead(), budget())
    assert caught.value.data == {"http_status": 400, "fields": ["amount", "tax_number"]}
