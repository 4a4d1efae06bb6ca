"""The application and its states as Mermaid diagrams and tables, and their places in the documentation."""

import re
from collections.abc import Callable, Iterable, Iterator

from leadbridge.domain.transitions import BY_OPERATOR, DELIVERY, FETCH, MESSAGE, POSTBACK, Table
from tools.diagrams.application import ROOT, Function, application

PAGE = ROOT / "docs" / "architecture.md"
PLACE = re.compile(r"(?<=<!-- make diagrams: )(\w+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)
LOOK = (
    "classDef partner fill:#fff3d6,stroke:#a87900,color:#000",
    "classDef function fill:#e7f0ff,stroke:#2b5fb3,color:#000",
    "classDef store fill:#e5f5e8,stroke:#2e7d3c,color:#000",
)


def overview() -> str:
    """All functions, queues, rules and schedules, the table, the bus and the partners."""
    functions, queues = application().functions, list(application().queues)
    workers = sorted((one for one in functions if one.queues), key=lambda one: queues.index(one.queues[0]))
    scheduled = sorted((one for one in functions if one.every), key=lambda one: not one.sends_to)
    endpoints = [one for one in functions if one.routes]
    lines = [
        *(f"{caller} --> {_box(one)}" for one in endpoints for caller in _callers(one)),
        *(f"operators --> {_box(one)}" for one in functions if _is_authorizer(one)),
        *(f"{one.name} --> Leads[(Leads)]" for one in endpoints if one.table == "writes"),
        *(f"Leads -->|stream| {_box(one)}" for one in functions if one.stream),
        *(f"{one.name} --> Bus{{{{Bus}}}}" for one in functions if "Bus" in one.sends_to),
        *(f"Bus -->|{rule.name}| {rule.queue}[/{rule.queue}/]" for rule in application().rules),
        *_group("workers", map(_box, workers)),
        *(f"{queue}[/{queue}/] --> {one.name}" for one in workers for queue in one.queues),
        *_group("scheduled", (f'{one.name}["{one.flow}<br/>{one.every}"]' for one in scheduled)),
        *(f"{one.name} --> {queue}" for one in scheduled for queue in one.sends_to),
        *dict.fromkeys(
            f'{one.name} --> {_id(partner)}(["{partner}"])'
            for one in [*workers, *scheduled]
            for partner in one.partners
        ),
        "workers -.->|results| Leads",
        "scheduled -.- Leads",
        *LOOK,
        f"class {','.join(sorted(one.name for one in functions))} function",
        f"class {','.join(sorted({_id(partner) for one in functions for partner in one.partners}))} partner",
        "class Leads store",
    ]
    return _mermaid("flowchart LR", lines)


def functions_table() -> str:
    """The callers and the permissions of each function."""
    rows = ["| function | called by | table | sends to | calls | failures go to |", "|---|---|---|---|---|---|"]
    for one in application().functions:
        called_by = [*_code(*one.routes, *one.queues), *(["the table's stream"] if one.stream else [])]
        called_by += [f"schedule, {one.every}"] if one.every else []
        called_by = ["the gateway, before every operator's route"] if _is_authorizer(one) else called_by
        columns = (_code(one.name), called_by, [one.table], _code(*one.sends_to), one.partners, _code(*one.failures_to))
        rows.append(f"| {' | '.join(', '.join(column) for column in columns)} |")
    return re.sub(r"\|  (?=\|)", "| ", "\n".join(rows))


def queues_table() -> str:
    """The senders and the consumer of each queue, and its dead-letter queue."""
    rows = ["| queue | filled by | emptied by | dead letters go to |", "|---|---|---|---|"]
    for queue, dead_letters in application().queues.items():
        if not dead_letters:
            continue
        rules = [f"`{rule.name}` ({rule.condition})" for rule in application().rules if rule.queue == queue]
        senders = _code(*(one.name for one in application().functions if queue in one.sends_to))
        workers = _code(*(one.name for one in application().functions if queue in one.queues))
        rows.append(f"| `{queue}` | {', '.join([*rules, *senders])} | {', '.join(workers)} | `{dead_letters}` |")
    return "\n".join(rows)


def states(first: str, table: Table) -> str:
    """Events between the same two states share an arrow. Events without a change of state are not drawn."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for event, moves in table.items():
        for before, after in moves.items():
            if before != after:
                arrows.setdefault((before, after), []).append(f"operator: {event}" if event in BY_OPERATOR else event)
    drawn = [f"{before} --> {after}: {'<br/>'.join(events)}" for (before, after), events in arrows.items()]
    return _mermaid("stateDiagram-v2", [f"[*] --> {first}", *drawn])


PICTURES: dict[str, Callable[[], str]] = {
    "overview": overview,
    "functions": functions_table,
    "queues": queues_table,
    "delivery": lambda: states("received", DELIVERY),
    "message": lambda: states("pending", MESSAGE),
    "fetch": lambda: states("pending", FETCH),
    "postback": lambda: states("pending", POSTBACK),
}


def drawn(page: str) -> str:
    """Return the text of a page with its present diagrams."""
    return PLACE.sub(lambda place: f"{place[1]}{place[2]}{PICTURES[place[1]]()}\n", page)


def _is_authorizer(one: Function) -> bool:
    return not (one.routes or one.queues or one.stream or one.every)


def _callers(endpoint: Function) -> Iterator[str]:
    """The callers of a function's routes, as nodes."""
    paths = {route.partition(" ")[2] for route in endpoint.routes}
    forms = {path for path in paths if path.startswith("/webhooks/")}
    events = {path for path in paths if path.startswith("/partners/leeloo/")}
    if forms:
        yield 'forms(["forms"])'
    if events:
        yield 'events(["Leeloo\'s events"])'
    if paths - forms - events:
        yield 'operators(["operators"])'


def _box(one: Function) -> str:
    return f"{one.name}[{one.flow}]"


def _group(title: str, nodes: Iterable[str]) -> Iterator[str]:
    yield f'subgraph {title}["{title}"]'
    yield from (f"  {node}" for node in nodes)
    yield "end"


def _code(*names: str) -> list[str]:
    return [f"`{name}`" for name in names]


def _mermaid(kind: str, lines: Iterable[str]) -> str:
    return "\n".join(["```mermaid", kind, *(f"  {line}" for line in lines), "```"])


def _id(partner: str) -> str:
    return "".join(filter(str.isalpha, partner))
