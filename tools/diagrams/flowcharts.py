"""The application as Mermaid flowcharts and tables."""

import re
from collections.abc import Iterable, Iterator

from tools.diagrams.application import Application, Function

LOOK = (
    "classDef partner fill:#fff3d6,stroke:#a87900,color:#000",
    "classDef function fill:#e7f0ff,stroke:#2b5fb3,color:#000",
    "classDef store fill:#e5f5e8,stroke:#2e7d3c,color:#000",
)


def pipeline(application: Application) -> str:
    """The path of a lead from a form to the partners and the person, for the README."""
    workers = [one for one in application.functions if _ruled(application).intersection(one.queues)]
    lines = [
        'form(["a form"]) -->|"POST /webhooks/{source}"| ReceiveLead[receive_lead]',
        "ReceiveLead --> Leads[(Leads)]",
        "Leads -->|stream| PublishChanges[publish_changes] --> Bus{{bus}}",
        *(f"Bus --> {queue}[/queue/] --> {one.name}[{one.flow}]" for one in workers for queue in one.queues),
        *_calls(workers),
        *_asking(application),
    ]
    return _flowchart(application, lines)


def overview(application: Application) -> str:
    """All functions, queues, rules and schedules, the table, the bus and the partners."""
    workers = [one for one in application.functions if one.queues]
    scheduled = sorted((one for one in application.functions if one.schedule), key=lambda one: not one.sends_to)
    endpoints = [one for one in application.functions if one.routes]
    workers.sort(key=lambda one: list(application.queues).index(one.queues[0]))
    lines = [
        *(f"{caller} --> {one.name}[{one.flow}]" for one in endpoints for caller in _callers(one)),
        *(f"operators --> {one.name}[{one.flow}]" for one in _authorizers(application)),
        *(f"{one.name} --> Leads[(Leads)]" for one in endpoints if one.writes),
        *(f"Leads -->|stream| {one.name}[{one.flow}]" for one in application.functions if one.stream),
        *(f"{one.name} --> Bus{{{{Bus}}}}" for one in application.functions if one.announces),
        *(f"Bus -->|{rule.name}| {rule.queue}[/{rule.queue}/]" for rule in application.rules),
        *_group("workers", (f"{one.name}[{one.flow}]" for one in workers)),
        *(f"{queue}[/{queue}/] --> {one.name}" for one in workers for queue in one.queues),
        *_group("scheduled", (f'{one.name}["{one.flow}<br/>{_every(one)}"]' for one in scheduled)),
        *(f"{one.name} --> {queue}" for one in scheduled for queue in one.sends_to),
        *_calls([*workers, *scheduled]),
        "workers -.->|results| Leads",
        "scheduled -.- Leads",
    ]
    return _flowchart(application, lines)


def functions_table(application: Application) -> str:
    """The callers and the permissions of each function."""
    rows = ["| function | called by | table | sends to | calls | failures go to |", "|---|---|---|---|---|---|"]
    for one in application.functions:
        sends = [*(["`Bus`"] if one.announces else []), *(f"`{queue}`" for queue in one.sends_to)]
        table = "writes" if one.writes else "reads" if one.reads else ""
        fails = ", ".join(f"`{queue}`" for queue in _failures_of(application, one))
        cells = [f"`{one.name}`", _called_by(one), table, ", ".join(sends), ", ".join(one.partners), fails]
        rows.append(f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |"))
    return "\n".join(rows)


def queues_table(application: Application) -> str:
    """The senders and the consumer of each queue, and its dead-letter queue."""
    rows = ["| queue | filled by | emptied by | dead letters go to |", "|---|---|---|---|"]
    for queue, dead_letters in application.queues.items():
        if dead_letters is None:
            continue
        rules = [f"`{rule.name}` ({rule.condition})" for rule in application.rules if rule.queue == queue]
        senders = [f"`{one.name}`" for one in application.functions if queue in one.sends_to]
        workers = [f"`{one.name}`" for one in application.functions if queue in one.queues]
        rows.append(f"| `{queue}` | {', '.join([*rules, *senders])} | {', '.join(workers)} | `{dead_letters}` |")
    return "\n".join(rows)


def _failures_of(application: Application, one: Function) -> tuple[str, ...]:
    return one.failures_to or tuple(dead for queue in one.queues if (dead := application.queues[queue]) is not None)


def _called_by(one: Function) -> str:
    callers = [*(f"`{route}`" for route in one.routes)]
    callers += [f"`{queue}`" for queue in one.queues]
    callers += ["the table's stream"] if one.stream else []
    callers += [f"schedule, {_every(one)}"] if one.schedule else []
    return ", ".join(callers) or "the gateway, before every operator's route"


def _authorizers(application: Application) -> list[Function]:
    return [one for one in application.functions if not (one.routes or one.queues or one.stream or one.schedule)]


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


def _every(one: Function) -> str:
    """A schedule's rate as text."""
    number, unit = (one.schedule or "").removeprefix("rate(").removesuffix(")").split()
    return f"every {unit}" if number == "1" else f"every {number} {unit}"


def _ruled(application: Application) -> set[str]:
    return {rule.queue for rule in application.rules}


def _asking(application: Application) -> Iterator[str]:
    """The path of a status check."""
    for queue, dead_letters in application.queues.items():
        if dead_letters and queue not in _ruled(application):
            finders = [one for one in application.functions if queue in one.sends_to and one.schedule]
            workers = [one for one in application.functions if queue in one.queues]
            for finder in finders:
                yield f"Leads -->|{_every(finder)}| {finder.name}[{finder.flow}] --> {queue}[/queue/]"
            for worker in workers:
                yield f"{queue} --> {worker.name}[{worker.flow}]"
                yield from _calls([worker])


def _calls(functions: list[Function]) -> Iterator[str]:
    for one in functions:
        for partner in one.partners:
            yield f'{one.name} --> {_id(partner)}(["{partner}"])'


def _group(title: str, nodes: Iterable[str]) -> Iterator[str]:
    yield f'subgraph {title.rpartition(" ")[2]}["{title}"]'
    yield from (f"  {node}" for node in nodes)
    yield "end"


def _flowchart(application: Application, lines: list[str]) -> str:
    """A flowchart from left to right, with a colour for each kind of node."""
    drawn = set(re.findall(r"\w+", "\n".join(lines)))
    kinds = {
        "function": {one.name for one in application.functions},
        "partner": {_id(partner) for one in application.functions for partner in one.partners},
        "store": set(application.tables),
    }
    coloured = [f"class {','.join(sorted(names & drawn))} {kind}" for kind, names in kinds.items()]
    return "\n".join(["```mermaid", "flowchart LR", *(f"  {line}" for line in [*lines, *LOOK, *coloured]), "```"])


def _id(partner: str) -> str:
    return "".join(letter for letter in partner if letter.isalpha())
