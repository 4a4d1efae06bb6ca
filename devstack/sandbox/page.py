"""The page at `/`: what each partner received, for people. No script, nothing loaded from elsewhere."""

from collections.abc import Iterable, Mapping
from html import escape

from aiohttp import web

from devstack.sandbox.calls import Call, CallLog, Outcome, rfc3339
from devstack.sandbox.faults import ArmedFault, Faults
from devstack.sandbox.partner import Bubble, Chat, Chats, Panel, Partner

LATEST_CALLS = 50
REFRESH_SECONDS = 5
ABOUT = ("deal_id", "account_id", "person_id", "order_id", "account_uuid", "email")
"""What a call was about: the first of these facts that it has."""

_STYLE = """
:root{color-scheme:light dark;--ink:#1c2430;--faint:#5d6b7e;--paper:#f5f7fa;--card:#fff;--line:#dfe5ec;
--good:#0b7a4b;--bad:#b3261e;--odd:#8a5a00}
@media(prefers-color-scheme:dark){:root{--ink:#e6ebf2;--faint:#9aa8ba;--paper:#12161c;--card:#1a2029;--line:#2c3541;
--good:#4fd09a;--bad:#ff8a80;--odd:#f0b95a}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:72rem;padding:1.5rem 1rem 4rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:0}p{margin:.25rem 0;color:var(--faint)}
section{margin-top:1.5rem;background:var(--card);border:1px solid var(--line);border-radius:.75rem;padding:1rem}
.wide{overflow-x:auto;margin-top:.75rem}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
th{text-align:left;font-weight:600;color:var(--faint)}
th,td{padding:.4rem .75rem .4rem 0;border-bottom:1px solid var(--line);white-space:nowrap}
tr:last-child td{border-bottom:0}
.chats{display:flex;flex-wrap:wrap;gap:1rem;align-items:flex-start}
.chat{flex:1 1 18rem;max-width:26rem;background:var(--paper);border:1px solid var(--line);border-radius:.75rem;
padding:.75rem}
.chat h3{font-size:.9rem;margin:0 0 .5rem;overflow-wrap:anywhere}
.bubble{width:fit-content;max-width:92%;margin:.5rem 0 0;padding:.5rem .75rem;background:var(--card);color:var(--ink);
border:1px solid var(--line);border-radius:.25rem 1rem 1rem;white-space:pre-wrap;overflow-wrap:anywhere}
.bubble small{display:block;color:var(--faint);font-size:.75rem}
.good{color:var(--good)}.bad{color:var(--bad)}.odd{color:var(--odd)}
"""


class Page:
    """Renders the page from what the frame holds."""

    def __init__(self, partners: Mapping[str, Partner], log: CallLog, faults: Faults) -> None:
        self._partners = partners
        self._log = log
        self._faults = faults

    async def show(self, _request: web.Request) -> web.Response:
        sections = [_part(each.title, part) for each in self._partners.values() for part in each.panels()]
        sections.append(_calls_section(self._log.latest(LATEST_CALLS)))
        sections.append(_faults_section(self._faults.all()))
        return web.Response(
            text=_document(sections),
            content_type="text/html",
            headers={
                "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
                "Cache-Control": "no-store",
            },
        )


def _document(sections: Iterable[str]) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">'
        f"<title>Partner sandbox</title><style>{_STYLE}</style></head><body>"
        "<h1>Partner sandbox</h1><p>What the partners received, as they see it.</p>"
        f"{''.join(sections)}</body></html>"
    )


def _part(title: str, part: Panel | Chats) -> str:
    match part:
        case Panel(caption, columns, rows):
            return _section(title, caption, _table(columns, (tuple(escape(cell) for cell in row) for row in rows)))
        case Chats(caption, chats):
            return _section(title, caption, f'<div class="wide chats">{"".join(map(_chat, chats))}</div>')


def _chat(chat: Chat) -> str:
    return f'<article class="chat"><h3>{escape(chat.title)}</h3>{"".join(map(_bubble, chat.bubbles))}</article>'


def _bubble(bubble: Bubble) -> str:
    return f'<p class="bubble">{escape(bubble.text)}<small>{escape(bubble.note)}</small></p>'


def _calls_section(calls: list[Call]) -> str:
    columns = ("#", "Time (UTC)", "Partner", "Operation", "Answer", "Processed", "About", "Fault")
    return _section("Latest calls", f"The last {len(calls)}, newest first", _table(columns, map(_call_row, calls)))


def _call_row(call: Call) -> tuple[str, ...]:
    answered = call.outcome is Outcome.ANSWERED
    look = "odd" if not answered else "good" if (call.status or 0) < 400 else "bad"
    return (
        str(call.number),
        escape(rfc3339(call.at)[11:23]),
        escape(call.partner),
        escape(call.operation or f"{call.method} {call.path}"[:80]),
        f'<span class="{look}">{call.status if answered else escape(call.outcome.replace("_", " "))}</span>',
        "yes" if call.processed else "no",
        escape(str(next((call.facts[name] for name in ABOUT if name in call.facts), ""))[:80]),
        f'<span class="odd">{escape(call.fault["kind"])}</span>' if call.fault else "",
    )


def _faults_section(armed: list[ArmedFault]) -> str:
    rows = (
        (
            escape(each.order.partner),
            escape(each.order.operation or "any"),
            escape(each.order.fault.kind),
            str(each.fired),
            "until cleared" if each.order.times is None else str(each.order.times),
        )
        for each in armed
    )
    columns = ("Partner", "Operation", "Kind", "Fired", "Of")
    return _section("Faults", f"{len(armed)} armed", _table(columns, rows))


def _section(title: str, caption: str, content: str) -> str:
    """`title` and `caption` are plain text, `content` is HTML."""
    return f"<section><h2>{escape(title)}</h2><p>{escape(caption)}</p>{content}</section>"


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """`columns` are plain text, cells of `rows` are HTML; no rows, no table."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    table = f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    return table if body else ""
