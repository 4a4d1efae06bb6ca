"""Bodies: URL-encoded, multipart and JSON, in any character set that forms come in."""

from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.forms.base import Request, Unreadable
from leadbridge.forms.parsing.bodies import read_fields
from leadbridge.forms.parsing.charsets import decode
from leadbridge.forms.parsing.nested import MAX_FIELDS, REST, flatten
from quality.testkit.forms.posts import JSON, URLENCODED, multipart, request

TEXT = "Їжак Ґава Європа, 12"
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff[]"), min_size=1)


def urlencoded(body: bytes, charset: str = "") -> Request:
    return Request({"content-type": f"{URLENCODED}; charset={charset}" if charset else URLENCODED}, {}, body)


def quoted(text: str, charset: str) -> bytes:
    return "".join(f"%{byte:02X}" for byte in text.encode(charset)).encode()


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", "windows-1251", "cp1251", "koi8-u", '"koi8-u"'])
def test_a_declared_character_set_is_respected(charset: str) -> None:
    plain = charset.strip('"')
    text = TEXT
    assert read_fields(urlencoded(b"a=" + quoted(text, plain), charset)) == {"a": text}
    assert read_fields(multipart([("a", text.encode(plain))], more=f"; charset={charset}")) == {"a": text}
    body = f'{{"a": "{text}"}}'.encode(plain)
    assert read_fields(Request({"content-type": f"{JSON}; charset={charset}"}, {}, body)) == {"a": text}


@pytest.mark.parametrize("charset", ["windows-1251", "koi8-u"])
def test_the_hidden_field_of_html_forms_is_respected(charset: str) -> None:
    body = f"_charset_={charset}&a=".encode() + quoted(TEXT, charset)
    assert read_fields(urlencoded(body)) == {"a": TEXT}
    assert read_fields(urlencoded(body, "utf-8")) == {"a": TEXT}
    assert read_fields(multipart([("a", TEXT.encode(charset)), ("_charset_", charset)])) == {"a": TEXT}
    assert read_fields(urlencoded(b"_charset_=&a=1")) == {"a": "1"}


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-32"])
def test_wide_characters_are_read(charset: str) -> None:
    assert read_fields(urlencoded(b"a=" + quoted(TEXT, "utf-8"), charset)) == {"a": TEXT}
    assert read_fields(urlencoded(f"a={TEXT}".encode(charset), charset)) == {"a": TEXT}
    assert read_fields(multipart([("a", TEXT.encode(charset))], more=f"; charset={charset}")) == {"a": TEXT}
    body = f'{{"a": "{TEXT}"}}'.encode(charset)
    assert read_fields(Request({"content-type": f"{JSON}; charset={charset}"}, {}, body)) == {"a": TEXT}


def test_a_part_may_have_a_character_set_of_its_own() -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="a"\r\nContent-Type: text/plain; charset=koi8-u\r\n\r\n'
        + TEXT.encode("koi8-u")
        + b"\r\n--b--\r\n"
    )
    assert read_fields(Request({"content-type": "multipart/form-data; boundary=b"}, {}, body)) == {"a": TEXT}


def test_names_come_in_the_forms_character_set_too() -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="' + "Ім'я".encode("cp1251") + b'"\r\n\r\n1\r\n--b--\r\n'
    kind = 'multipart/form-data; boundary="b"; charset=windows-1251'
    assert read_fields(Request({"content-type": kind}, {}, body)) == {"Ім'я": "1"}


@pytest.mark.parametrize(
    "charset", ["klingon", "rot13", "hex", "base64", "zlib", "idna", "punycode", "unicode_escape", "undefined", "utf-7"]
)
def test_an_unknown_character_set_is_read_as_utf_8(charset: str) -> None:
    for post in (
        urlencoded(b"a=" + quoted(TEXT, "utf-8"), charset),
        urlencoded(f"_charset_={charset}&a={TEXT}".encode()),
        multipart([("a", TEXT)], more=f"; charset={charset}"),
        Request({"content-type": f"{JSON}; charset={charset}"}, {}, f'{{"a": "{TEXT}"}}'.encode()),
    ):
        assert read_fields(post) == {"a": TEXT}


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("Тестенко Яна, вул. Ґава".encode("cp1251"), "Тестенко Яна, вул. Ґава"),
        ("Ren\u00e9 \u00e9t\u00e9".encode("latin-1"), "Ren\ufffd \ufffdt\ufffd"),
        ("Тестенко Яна".encode("koi8-u"), None),
        (b"\x98\xff", "\ufffd\ufffd"),
    ],
)
def test_text_of_an_undeclared_character_set_is_kept(raw: bytes, text: str | None) -> None:
    body = b'{"a": "' + raw + b'", "phone": "050"}'
    for post in (
        urlencoded(b"a=" + b"".join(b"%%%02X" % byte for byte in raw) + b"&phone=050"),
        multipart([("a", raw), ("phone", "050")]),
        Request({"content-type": JSON}, {}, body),
    ):
        fields = read_fields(post)
        assert fields["phone"] == "050"
        assert fields["a"] == text if text is not None else "\ufffd" in fields["a"]


RUSSIAN = st.text("абвгдежзийклмнопрстуфхцчшщъыьэюя", min_size=1, max_size=8).map(str.capitalize)


@given(st.lists(RUSSIAN, min_size=1, max_size=5).map(" ".join), st.sampled_from([JSON, URLENCODED]))
def test_undeclared_windows_1251_is_recognized_by_its_words(text: str, kind: str) -> None:
    raw = text.encode("windows-1251")
    body = b'{"a": "' + raw + b'"}' if kind == JSON else b"a=" + raw.replace(b" ", b"+")
    assert read_fields(Request({"content-type": kind}, {}, body)) == {"a": text}


@given(
    st.lists(RUSSIAN.filter(lambda word: len(word) > 1), min_size=1, max_size=5).map(" ".join),
    st.sampled_from(["iso-8859-1", "windows-1251", "windows-1252", "us-ascii"]),
    st.sampled_from([JSON, URLENCODED]),
)
def test_utf_8_is_read_under_the_name_of_another_character_set(text: str, charset: str, kind: str) -> None:
    body = f'{{"a": "{text}"}}' if kind == JSON else f"a={text}"
    assert read_fields(Request({"content-type": f"{kind}; charset={charset}"}, {}, body.encode())) == {"a": text}


@given(st.binary(max_size=60), st.sampled_from(["utf-8", "cp1251", "koi8-u", "utf-16", "nonsense"]))
def test_any_bytes_are_text_and_ascii_stays(raw: bytes, charset: str) -> None:
    body = b"a=" + b"".join(b"%%%02X" % byte for byte in raw) + b"&phone=0500000001"
    fields = read_fields(urlencoded(body, charset))
    assert fields["phone"] == "0500000001"
    fields["a"].encode()  # nothing that cannot be stored


@pytest.mark.parametrize("charset", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_names_the_character_set(charset: str) -> None:
    body = f'{{"a": "{TEXT}"}}'.encode(charset)
    for kind in (JSON, f"{JSON}; charset=utf-8", f"{JSON}; charset=windows-1251", "text/plain", URLENCODED):
        assert read_fields(Request({"content-type": kind}, {}, body)) == {"a": TEXT}
    assert read_fields(urlencoded(f"a={TEXT}&b=1".encode(charset))) == {"a": TEXT, "b": "1"}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ("Name: Ada\r\nТелефон: 050 123\n\n", {"Name": "Ada", "Телефон": "050 123"}),
        ("Ada, 050 123", {"text": "Ada, 050 123"}),
        ("Ada\nPhone: 050", {"text": "Ada\nPhone: 050"}),
        ("https://example.com", {"text": "https://example.com"}),
        (" \n ", {}),
        ("Ada\n" * 2000, {"text": ("Ada\n" * 2000).strip()}),
    ],
)
def test_a_text_without_fields_is_an_answer(body: str, fields: dict[str, str]) -> None:
    assert read_fields(Request({"content-type": "text/plain"}, {}, body.encode())) == fields


def test_a_field_that_comes_twice_is_joined() -> None:
    assert read_fields(request([("a", "1"), ("a[]", "2"), ("a", ""), ("b", ""), ("b", "3")], URLENCODED)) == {
        "a": "1, 2",
        "b": "3",
    }


def test_the_number_of_fields_is_bounded() -> None:
    most = [(f"f{number}", "1") for number in range(MAX_FIELDS)]
    for good, bad in (
        (request(most, URLENCODED), request([*most, ("x", "1")], URLENCODED)),
        (multipart(most), multipart([*most, ("x", "1")])),
        (request(most, URLENCODED), request([("a", "1")] * (MAX_FIELDS + 1), URLENCODED)),
    ):
        assert len(read_fields(good)) == MAX_FIELDS
        with pytest.raises(Unreadable):
            read_fields(bad)


def test_fields_of_json_beyond_the_bound_are_not_read_but_count_as_content() -> None:
    many = {f"f{number}": "1" for number in range(MAX_FIELDS + 1)}
    first, second = flatten(many), flatten({**many, f"f{MAX_FIELDS}": "2"})
    assert len(first) == len(second) == MAX_FIELDS + 1
    assert first[REST] != second[REST]
    assert first == flatten(dict(many))


def attached(filename: str, content: bytes) -> Request:
    head = f'--b\r\nContent-Disposition: form-data; name="f"; filename="{filename}"\r\n\r\n'.encode()
    body = head + content + b'\r\n--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n'
    return Request({"content-type": "multipart/form-data; boundary=b"}, {}, body)


@pytest.mark.parametrize(
    ("filename", "content"), [("a.pdf", b"%PDF"), ("a.pdf", b""), ("", b"x"), ("\\a", b"\xff\xfe")]
)
def test_files_are_dropped_or_refused(filename: str, content: bytes) -> None:
    assert read_fields(attached(filename, content)) == {"a": "1"}
    with pytest.raises(Unreadable, match="does not accept files"):
        read_fields(attached(filename, content), "refuse")


def test_a_file_field_left_empty_is_no_file() -> None:
    assert read_fields(attached("", b""), "refuse") == {"a": "1"}


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        ({"a": {"b": 1, "c": {"d": 2}}}, {"a.b": "1", "a.c.d": "2"}),
        ({"a": {}, "b": []}, {"a": "", "b": ""}),
        ({"a": [1, "x", None, True, {"b": 1}, [2]]}, {"a": "1, x, true", "a.4.b": "1", "a.5": "2"}),
        ({"a": False}, {"a": "false"}),
    ],
)
def test_json_is_reported_as_fields(content: dict[str, object], fields: dict[str, str]) -> None:
    assert flatten(content) == fields


@given(st.binary(max_size=300), st.sampled_from([JSON, URLENCODED, "multipart/form-data; boundary=b"]))
def test_anything_is_fields_or_unreadable(body: bytes, kind: str) -> None:
    try:
        fields = read_fields(Request({"content-type": kind}, {}, body))
    except Unreadable:
        return
    assert all(isinstance(text, str) for pair in fields.items() for text in pair)


@given(st.dictionaries(WORDS, WORDS, max_size=9))
def test_what_a_browser_encodes_is_read_as_it_was_written(fields: dict[str, str]) -> None:
    fields.pop("_charset_", None)
    assert read_fields(request(fields, URLENCODED)) == fields


@given(st.one_of(st.binary(max_size=40), st.text("%=+ \t\r\n09afAFzя_.", max_size=40).map(str.encode)))
def test_percent_signs_are_read_as_the_standard_library_reads_them(text: bytes) -> None:
    plain = text.replace(b"&", b"").replace(b"=", b"")
    assert read_fields(Request({"content-type": f"{URLENCODED}; charset=latin-1"}, {}, b"name=" + plain)) == {
        "name": decode(unquote_to_bytes(plain.replace(b"+", b" ")), "latin-1")
    }
