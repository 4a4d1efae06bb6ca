"""Standard Webhooks: what proves a post, and that nothing else does."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from leadbridge.auth.signatures import SignatureInvalid
from leadbridge.forms.adapters.standard_webhooks import parse, sign, verify
from leadbridge.forms.base import Request, Unreadable
from leadbridge.settings import Source
from quality.testkit.rubbish import any_text

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
AT = int(NOW.timestamp())
SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four").decode()
OTHER = "whsec_" + base64.b64encode(b"another of twenty-four b").decode()
BODY = '{"person": {"full_name": "Ольга"}}'.encode()
SOURCE = Source(adapter="standard_webhooks", partners=("leadleader",))

secrets_ = st.binary(min_size=1, max_size=64).map(lambda key: f"whsec_{base64.b64encode(key).decode()}")
message_ids = st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=256)


def post(
    body: bytes = BODY, *, secret: str = SECRET, message_id: str = "msg_1", changed: dict[str, str] | None = None
) -> Request:
    """A post as a sender signs it now; `changed` are headers in place of its own."""
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(AT),
        "webhook-signature": sign(secret, message_id, AT, body),
    }
    return Request(headers | (changed or {}), {}, body)


def signed(signature: str, body: bytes = BODY) -> Request:
    """A post with this signature."""
    return post(body, changed={"webhook-signature": signature})


def is_proven(request: Request, secrets: Sequence[str] = (SECRET,), now: datetime = NOW) -> bool:
    try:
        verify(request, secrets, now)
    except SignatureInvalid:
        return False
    return True


def test_the_specifications_example_is_proven() -> None:
    request = Request(
        {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        {},
        b'{"test": 2432232314}',
    )
    assert is_proven(request, ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], datetime.fromtimestamp(1614265330, UTC))


@given(secret=secrets_, message_id=message_ids, body=st.binary(max_size=200))
def test_what_the_secret_signed_is_proven(secret: str, message_id: str, body: bytes) -> None:
    assert is_proven(post(body, secret=secret, message_id=message_id), [secret])


@given(secret=secrets_, other=secrets_)
def test_another_secret_proves_nothing(secret: str, other: str) -> None:
    # HMAC fills short keys with zero bytes, so that two such are one key.
    same = _key(secret).rstrip(b"\0") == _key(other).rstrip(b"\0")
    assert is_proven(post(secret=secret), [other]) == same


@given(place=st.integers(0, len(BODY) - 1), bit=st.integers(0, 7))
def test_a_body_with_one_bit_changed_is_forged(place: int, bit: int) -> None:
    signature = post().headers["webhook-signature"]
    assert not is_proven(signed(signature, _flipped(BODY, place, bit)))


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@given(data=st.data())
def test_a_header_with_one_bit_changed_is_forged(header: str, data: st.DataObject) -> None:
    value = post().headers[header].encode()
    changed = _flipped(value, data.draw(st.integers(0, len(value) - 1)), data.draw(st.integers(0, 6))).decode()
    assert not is_proven(post(changed={header: changed}))


def test_the_unused_bits_of_a_signature_count_too() -> None:
    signature = post().headers["webhook-signature"]
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = signature[-2]
    other = letters[letters.index(last) ^ 1]
    assert base64.b64decode(signature[3:]) == base64.b64decode(f"{signature[3:-2]}{other}=")
    assert not is_proven(signed(f"{signature[:-2]}{other}="))


@given(cut=st.integers(1, 40))
def test_a_part_of_a_signature_proves_nothing(cut: int) -> None:
    signature = post().headers["webhook-signature"]
    assert not is_proven(signed(signature[:-cut]))


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@example(value="")
@example(value="\ud800")
@example(value="v1,")
@example(value="v1,=")
@example(value="v1,é")
@example(value=f"v1,{'A' * 100_000}")
@example(value="v1, " * 50_000)
@example(value="9" * 12)
@example(value="9" * 10_000)
@example(value="-1")
@example(value="١٢٣")
@given(value=any_text() | st.from_regex(r"(v1a?,[A-Za-z0-9+/]{0,8}={0,3} ?){0,12}", fullmatch=True))
def test_any_other_header_is_forged_and_nothing_else(header: str, value: str) -> None:
    if value != post().headers[header]:
        assert not is_proven(post(changed={header: value}))


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_forged(header: str) -> None:
    request = post()
    del request.headers[header]
    assert not is_proven(request)


def test_no_headers_are_forged() -> None:
    assert not is_proven(Request({}, {}, b""))


@pytest.mark.parametrize(
    ("seconds", "proven"), [(-301, False), (-299, True), (0, True), (299, True), (301, False), (10**6, False)]
)
def test_the_time_may_differ_by_five_minutes_either_way(seconds: int, proven: bool) -> None:
    assert is_proven(post(), now=NOW + timedelta(seconds=seconds)) == proven


@pytest.mark.parametrize("secrets", [[SECRET, OTHER], [OTHER, SECRET]])
@pytest.mark.parametrize("signed_with", [SECRET, OTHER])
def test_either_of_two_secrets_proves(secrets: list[str], signed_with: str) -> None:
    assert is_proven(post(secret=signed_with), secrets)


def test_no_secret_proves_nothing() -> None:
    assert not is_proven(post(), [])


@pytest.mark.parametrize("place", [0, 1, 9])
def test_one_good_signature_among_several_is_enough(place: int) -> None:
    signatures = ["v1," + base64.b64encode(bytes(32)).decode()] * 9
    signatures.insert(place, post().headers["webhook-signature"])
    assert is_proven(signed(" ".join(signatures)))


@pytest.mark.parametrize("version", ["v1a", "v2", "V1", "", "v1,v1"])
def test_a_signature_of_another_version_proves_nothing(version: str) -> None:
    signature = post().headers["webhook-signature"].partition(",")[2]
    assert not is_proven(signed(f"{version},{signature}"))


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_!", "секрет", "whsec_é", "whsec_QQ", "\ud800", "not base64 at all", "whsec_\n"]
)
def test_a_malformed_secret_proves_nothing(secret: str) -> None:
    empty_key = hmac.digest(b"", f"msg_1.{AT}.".encode() + BODY, hashlib.sha256)
    signature = f"v1,{base64.b64encode(empty_key).decode()}"
    assert not is_proven(signed(signature), [secret])
    assert is_proven(post(), [secret, SECRET])


@given(st.lists(any_text(), max_size=3))
def test_any_value_of_a_secret_raises_only_signature_invalid(secrets: list[str]) -> None:
    assert not is_proven(post(), secrets)


def test_a_secret_may_come_without_its_prefix() -> None:
    assert is_proven(post(), [SECRET.removeprefix("whsec_")])


def test_the_reason_tells_no_secret_and_nothing_of_the_body() -> None:
    with pytest.raises(SignatureInvalid) as caught:
        verify(signed("v1,AAAA"), [SECRET], NOW)
    assert str(caught.value) == "no signature matches"


def test_the_body_is_a_lead() -> None:
    (submission,) = parse(post(b'{"person": {"phone": "1"}, "loan": null, "utm": {"a": "b"}, "else": 1}'), SOURCE)
    assert submission.values == {
        "person": {"phone": "1"},
        "loan": {},
        "trading": {},
        "utm": {"a": "b"},
        "ids": {},
        "consent": {},
    }
    assert (submission.delivery_id, submission.is_test) == ("msg_1", False)


@pytest.mark.parametrize(("test", "is_test"), [("true", True), ("false", False), ("1", False), ('"true"', False)])
def test_a_ping_says_so(test: str, is_test: bool) -> None:
    assert parse(post(f'{{"test": {test}}}'.encode()), SOURCE)[0].is_test is is_test


def test_what_is_no_json_object_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        parse(post(b"[]"), SOURCE)


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"))


def _flipped(value: bytes, place: int, bit: int) -> bytes:
    changed = bytearray(value)
    changed[place] ^= 1 << bit
    return bytes(changed)
