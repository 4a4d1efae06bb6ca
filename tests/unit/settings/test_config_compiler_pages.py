"""Wrong lines about pages that post by themselves: origins, the honeypot, where visitors go."""

from pathlib import Path

import pytest

from quality.testkit.configuration import GOOD, TABLES
from tools.config import WrongConfiguration, check

SOURCE = """\
[page]
adapter = "plain"
partners = ["lender"]
fields = { phone = "person.phone" }
"""
LOOKS = "an origin looks like"
PAGE = "a page's address looks like"
OWN = "an address of one's own machine belongs in sources.local.toml alone"
NO_ORIGINS = [
    *("*", "https://*", "https://*.example.com", "https://example.com:*", "https://example.com/", "example.com", ""),
    *("https://example.com/form", "//example.com", "http://example.com", "HTTPS://example.com", "https://Example.com"),
    *("https://приклад.укр", "https://user@example.com", "https://example.com?", "https://example.com ", "https://"),
    *(
        "https://example.com\\n",
        "https://-a.example",
        "https://example..com",
        "http://127.0.0.1.example.com",
        "file://",
    ),
    *("http://127.0.0.2:8", "http://localhost:**"),
]
NO_PAGES = [
    *("/thanks", "thanks.html", "//example.com/", "http://example.com/", "javascript:alert(1)", "data:,x", "https:/a"),
    *("https://example.com@evil.example/", "https://example.com\\\\@evil.example", "https://example.com/ x", ""),
    *("https://example.com/\\r\\nX: y", "https://example.com/дякуємо", "https:///thanks", "https://Example.com/"),
    *("https://example.com:*/thanks", "https://example.com/a:*", "https://a.b:0/"),
]


def said(folder: Path, lines: str, local: str = "") -> list[str]:
    """What is wrong with the source when it has these lines more, and these on a developer's machine."""
    config = folder / "config"
    config.mkdir()
    for name, text in zip(TABLES, GOOD, strict=True):
        (config / f"{name}.toml").write_text(text, encoding="utf-8")
    (config / "sources.toml").write_text(SOURCE + lines, encoding="utf-8")
    if local:
        (config / "sources.local.toml").write_text(f"[page]\n{local}", encoding="utf-8")
    try:
        check(config)
    except WrongConfiguration as wrong:
        return wrong.problems
    return []


@pytest.mark.parametrize(
    "lines",
    [
        'origins = ["https://example.com"]',
        'origins = ["https://example.com", "https://shop.xn--80aqf2ac.example:8443", "https://192.0.2.1"]',
        'honeypot = "website"',
        'thank_you = "https://example.com"\ntry_again = "https://example.com:444/a/%D1%8F.html?x=1&y#form"',
    ],
)
def test_what_is_right_is_shipped(tmp_path: Path, lines: str) -> None:
    assert said(tmp_path, lines) == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('origins = "https://example.com"', '\'origins\' must be a list such as ["one", "two"]'),
        ("origins = []", "'origins' must not be empty"),
        ("origins = [5]", "'origins no. 1' must be text in quotes"),
        ('origins = ["https://example.com", "null"]', "'origins no. 2': \"null\" is the origin of anybody"),
        *[(f'origins = ["{origin}"]', LOOKS) for origin in NO_ORIGINS],
        ('origins = ["https://example.com:443"]', "leave out the port that is usual anyway"),
        ('origins = ["http://127.0.0.1:*"]', OWN),
        ('origins = ["http://localhost:8000"]', OWN),
        ('honeypot = ""', "'honeypot' must not be empty"),
        ("honeypot = true", "'honeypot' must be text in quotes"),
        ('honeypot = " Phone"', "'honeypot': people fill in 'phone', and their leads would be thrown away"),
        ('thank_you = "http://127.0.0.1:8000/thanks"', OWN),
        *[(f'{name} = "{page}"', PAGE) for name in ("thank_you", "try_again") for page in NO_PAGES],
        ('thank_you = "https://example.com:443/"', "leave out the port that is usual anyway"),
        ('thankyou = "https://example.com/"', "there is no setting 'thankyou'; did you mean 'thank_you'?"),
    ],
)
def test_a_wrong_line_is_reported_by_its_number(tmp_path: Path, line: str, told: str) -> None:
    (problem,) = said(tmp_path, line)
    assert problem.startswith("config/sources.toml:5: source page: ")
    assert told in problem


def test_on_ones_own_machine_any_port_is_right(tmp_path: Path) -> None:
    local = 'origins = ["http://127.0.0.1:*", "http://localhost:8000"]\nthank_you = "http://127.0.0.1:*/thanks.html"\n'
    assert said(tmp_path, "", local) == []


def test_an_open_port_of_a_page_is_that_of_an_origin(tmp_path: Path) -> None:
    (problem,) = said(tmp_path, 'origins = ["https://example.com"]', 'try_again = "http://localhost:*/again"')
    assert problem.startswith("config/sources.local.toml:2: source page: 'try_again': the port is that of the page")
