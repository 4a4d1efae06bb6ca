"""Whatever a partner answers, no library logs whom the call was about, with which token, or what the partner said."""

from __future__ import annotations

import io
import logging
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from leadbridge.domain.errors.partner_errors import PartnerError
from leadbridge.partners.graph import Graph
from leadbridge.partners.http import Transport
from leadbridge.partners.leadleader.client import LeadLeader
from leadbridge.partners.leeloo import AccountId, Client, Leeloo
from leadbridge.partners.matchtrade.client import MatchTrade
from leadbridge.runtime import logs
from quality.testkit.clients.leadleader import budget, lead, short
from quality.testkit.clients.raw_server import RawServer, closed_port
from quality.testkit.people import lead as person
from quality.testkit.rsa_keys import PRIVATE, PUBLIC

EMAIL, PHONE, NAME, TAX_NUMBER = "olena@example.com", "380500000001", "Прикладенко", "3068208400"
TOKEN, PROOF_OF = "a-token-of-the-tests", "the-app-secret"
BODY = b'{"content": [], "totalPages": 0, "status": 1, "data": [], "access_token": "%s", "security_token": "%s",' % (
    TOKEN.encode(),
    TOKEN.encode(),
)
BODY += b'"expires_in": 900, "deal_id": 7, "id": "77", "field_data": []}'
SAID = f"{EMAIL} {PHONE} {NAME} {TOKEN}".encode()
SECRETS = (EMAIL, "olena%40", PHONE, NAME, "%D0%9F", TAX_NUMBER, TOKEN, "appsecret_proof=", "%5Bphone", "&from=")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def whole(head: bytes = HEAD, body: bytes = BODY, length: int | None = None) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % (len(body) if length is None else length) + body


ANSWERS = {
    "a header line that is none": whole(HEAD + b"X-Served: 1\r\n" + SAID + b"\r\n"),
    "a header that is folded": whole(HEAD + b"X-Served: 1\r\n " + SAID + b"\r\n"),
    "a header without a name": whole(HEAD + b": " + SAID + b"\r\n"),
    "a header of bytes": whole(HEAD + b"X-\xff: " + SAID + b"\r\n"),
    "too many headers": whole(HEAD + b"".join(b"X-%d: " % n + SAID + b"\r\n" for n in range(120))),
    "a header without end": whole(HEAD + b"X-Served: " + SAID * 2000 + b"\r\n"),
    "chunks that are none": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + SAID + b"\r\n" + BODY,
    "chunks that break off": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + SAID[:5],
    "chunks and a length": HEAD
    + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\n"
    + SAID[:5]
    + b"\r\n0\r\n\r\n",
    "a body that is no gzip": whole(HEAD + b"Content-Encoding: gzip\r\n", SAID),
    "an encoding that is none": whole(HEAD + b"Content-Encoding: " + EMAIL.encode() + b"\r\n"),
    "a length that is too long": whole(length=len(BODY) + 100),
    "a length that is too short": whole(length=10),
    "a length that is none": HEAD + b"Content-Length: " + SAID + b"\r\n\r\n" + BODY,
    "two lengths": whole(HEAD + b"Content-Length: 3\r\n"),
    "a negative length": whole(length=-1),
    "a redirect": whole(
        b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere.invalid/?email=" + EMAIL.encode() + b"\r\n"
    ),
    "a cookie": whole(HEAD + b"Set-Cookie: person=" + SAID + b"; expires=never\r\n"),
    "a status line that is none": SAID + b"\r\n\r\n",
    "a status that is none": b"HTTP/1.1 " + SAID + b"\r\n\r\n",
    "a Continue first": b"HTTP/1.1 100 Continue\r\nX: " + SAID + b"\r\n\r\n" + whole(),
    "an old protocol": whole(b"HTTP/0.9 200 " + SAID + b"\r\n"),
    "nothing": b"",
    "a refusal": whole(b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n", b'{"error": "%s"}' % SAID),
    "a wait": whole(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: " + SAID + b"\r\n", SAID),
}


class Vault:
    """A secret that never changes."""

    def __init__(self, **secret: Any) -> None:
        self.secret = secret

    def get(self) -> dict[str, Any]:
        return self.secret

    def refresh(self) -> dict[str, Any]:
        return self.secret


def transport(partner: str) -> Transport:
    return Transport(partner, short(2, 2), observer=logs.record_call)


def lead_leader(url: str) -> Iterator[Callable[[], object]]:
    vault = Vault(
        auth_url=url, base_url=url, email=EMAIL, password=TOKEN, partner_public_key=PUBLIC, private_key=PRIVATE
    )
    client = LeadLeader(transport("leadleader"), vault, status_method="GET")
    yield lambda: client.authorize(budget()).create(lead(), budget())
    yield lambda: client.status(7, budget())


def match_trade(url: str) -> Iterator[Callable[[], object]]:
    vault = Vault(
        base_url=url, client_id="c", client_secret=TOKEN, username=EMAIL, password=TOKEN, offer_uuid="o", partner_id=1
    )
    client = MatchTrade(transport("matchtrade"), vault)
    yield lambda: client.find(EMAIL, budget())
    yield lambda: client.authorize(budget()).create(person(), budget())


def leeloo(url: str) -> Iterator[Callable[[], object]]:
    client = Leeloo(Client(transport("leeloo"), Vault(base_url=url, token=TOKEN)))
    yield lambda: client.people.person_for(phone=f"+{PHONE}", email=EMAIL, budget=budget())
    yield lambda: client.people.create(name=NAME, phone=PHONE, email=EMAIL, budget=budget())
    yield lambda: client.messages.send_text(AccountId("a1"), f"{NAME}, {PHONE}", budget=budget())


def graph(url: str) -> Iterator[Callable[[], object]]:
    client = Graph(transport("graph"), Vault(access_token=TOKEN, secrets=[PROOF_OF], graph_url=url))
    yield lambda: client.lead({"leadgen_id": "77"}, budget())


PARTNERS = [lead_leader, match_trade, leeloo, graph]


class Everything(logging.Handler):
    """Keeps all that a record holds, as any formatter could print it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        held = " ".join(str(value) for value in record.__dict__.values())
        self.lines.append(f"{record.getMessage()} {held} {logging.Formatter().format(record)}")


@pytest.fixture
def everything() -> Iterator[Everything]:
    """All that reaches a handler of the root logger, as Lambda's runtime has one, with all loggers at DEBUG."""
    root, handler = logging.getLogger(), Everything()
    before = root.level
    talkative = [logging.getLogger(name) for name in ("urllib3", "botocore", "asyncio", "py.warnings")]
    for one in (root, *talkative):
        one.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)
    root.setLevel(before)
    for one in talkative:
        one.setLevel(logging.NOTSET)


def assert_silent(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert [secret for secret in SECRETS if secret in text] == []


@pytest.mark.parametrize("partner", PARTNERS, ids=lambda partner: partner.__name__)
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_no_malformed_answer_brings_a_person_into_the_log(
    partner: Callable[[str], Iterator[Callable[[], object]]],
    answer: bytes,
    everything: Everything,
    capfd: pytest.CaptureFixture[str],
) -> None:
    raised = []
    with RawServer([answer], then=answer) as server:
        for call in partner(server.url):
            try:
                call()
            except PartnerError as error:
                raised.append("".join(traceback.format_exception(error)))
    assert any("third-party" in line for line in everything.lines)
    # What our own logger.exception would print of the error is held to the same.
    assert_silent([*everything.lines, *raised, *capfd.readouterr()])


@pytest.mark.parametrize("partner", PARTNERS, ids=lambda partner: partner.__name__)
def test_an_unreachable_address_logs_no_personal_data(
    partner: Callable[[str], Iterator[Callable[[], object]]], everything: Everything
) -> None:
    with closed_port() as url:
        for call in partner(url):
            with pytest.raises(PartnerError) as caught:
                call()
            assert_silent([*everything.lines, *traceback.format_exception(caught.value)])


def test_a_librarys_warning_remains_visible_by_its_name_and_level(everything: Everything) -> None:
    with RawServer([ANSWERS["a header line that is none"]]) as server, suppress(PartnerError):
        next(match_trade(server.url))()
    assert any(line.startswith("third-party warning from urllib3.connection") for line in everything.lines)


def test_a_librarys_exception_leaves_its_kind_and_no_word_of_it(everything: Everything) -> None:
    try:
        raise OSError(f"no route to {EMAIL}")
    except OSError:
        logging.getLogger("urllib3.pool").exception("%s", PHONE, stack_info=True)
    (line,) = everything.lines
    assert line.startswith("third-party error from urllib3.pool (OSError)")
    assert_silent([line])


def test_a_python_warning_is_stripped_too(everything: Everything, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)  # outside of this context warnings are pytest's
        logs.silence_libraries()
        warnings.showwarning(UserWarning(f"value `{PHONE}`"), UserWarning, "a.py", 1)
    assert everything.lines[0].startswith("third-party warning from py.warnings")
    assert_silent([*everything.lines, *capfd.readouterr()])


def test_our_own_records_say_what_they_say() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    ours = logging.getLogger(logs.logger.name)
    ours.addHandler(handler)
    try:
        ours.warning("lead %s", "ld_1")
    finally:
        ours.removeHandler(handler)
    assert "lead ld_1" in stream.getvalue()
