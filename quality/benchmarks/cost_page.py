"""The tables of `python -m quality.benchmarks.cost` as Markdown."""

from __future__ import annotations

from quality.benchmarks import cost


def page() -> str:
    return "\n".join(
        [
            *(*summary(), *by_part(), *by_month(), *by_function(), *by_memory(), *by_service()),
            *(*assumptions(), *not_counted(), *prices()),
        ]
    )


def summary() -> list[str]:
    once, polled = sum(cost.parts(polling=False).values()), sum(cost.parts(polling=True).values())
    measured = cost.measured()
    return [
        f"Measured {measured['date']} on {measured['machine']}: the median of {measured['leads']} leads.",
        "",
        "| | US dollars |",
        "|---|---:|",
        f"| a million leads, from the form to the final status, with two messages to each person | **{once:,.0f}** |",
        f"| asking {cost.checks()} times in vain for the status of each, as `cadence` is shipped | **{polled:,.0f}** |",
        f"| a million such checks | **{polled / cost.checks():,.2f}** |",
        f"| a month, whether leads come or not | **{sum(cost.fixed().values()):,.0f}** |",
        f"| one lead, of a million in a month | **{(once + polled + sum(cost.fixed().values())) / cost.LEADS:.6f}** |",
        "",
    ]


def by_part() -> list[str]:
    once, polled = cost.parts(polling=False), cost.parts(polling=True)
    rows = [f"| {name} | {once[name]:,.2f} | {polled[name]:,.2f} |" for name in once]
    total = f"| **all** | **{sum(once.values()):,.2f}** | **{sum(polled.values()):,.2f}** |"
    head = ["| a million leads | the way itself | status checks in vain |", "|---|---:|---:|"]
    return ["### By part", "", *head, *rows, total, ""]


def by_month() -> list[str]:
    rows = [f"| {name} | {dollars:,.2f} |" for name, dollars in cost.fixed().items()]
    total = f"| **all** | **{sum(cost.fixed().values()):,.2f}** |"
    return ["### Each month, whatever comes", "", "| | US dollars |", "|---|---:|", *rows, total, ""]


def by_function() -> list[str]:
    """Resources of one lead, by function."""
    named = [(name, name, one) for name, one in cost.measured()["functions"].items()]
    batch = cost.measured()["batch"]
    named += [
        (f"{name}, {batch} checks in vain", name, one) for name, one in cost.measured()["unchanged_batch"].items()
    ]
    rows = []
    for title, name, one in named:
        size = cost.memory(name)
        billed = cost.milliseconds(one, size)
        counts = [one["invocations"], f"{one['cpu_ms']:.1f}", one["aws_calls"], one["partner_calls"], size]
        counts += [f"{billed:.0f}", one["write_units"], one["read_units"], one["events"]]
        rows.append(
            f"| {title} | {' | '.join(f'{each:g}' if isinstance(each, float) else str(each) for each in counts)} |"
        )
    columns = ["for one lead", "invocations", "CPU, ms", "calls of AWS", "of partners", "MB", "billed, ms"]
    columns += ["write units", "read units", "events"]
    head = [f"| {' | '.join(columns)} |", f"|---{'|---:' * (len(columns) - 1)}|"]
    return ["### What one lead takes", "", *head, *rows, ""]


def by_memory() -> list[str]:
    rows = [f"| {size} | {answer:.0f} | {dollars:,.0f} |" for size, answer, dollars in cost.memories()]
    head = [
        "| MB, were it the same for all functions | a form's post, ms | Lambda's time, US dollars |",
        "|---:|---:|---:|",
    ]
    return ["### Memory", "", *head, *rows, ""]


def by_service() -> list[str]:
    """The same on services that charge per task."""
    rows = []
    for one in cost.data()["services"].values():
        dollars = one["units_per_lead"] * cost.LEADS * one["usd"] / one["per"]
        units = f"{one['units_per_lead']} {one['unit']}s"
        rows.append(f"| {one['name']} | {units} | {dollars:,.0f} | {one['why']} | {one['source']} |")
    head = [
        "| service | for a lead | a million leads, US dollars | what is counted | source |",
        "|---|---|---:|---|---|",
    ]
    return ["### The same, paid by the task", "", *head, *rows, ""]


def assumptions() -> list[str]:
    rows = [f"| {one['value']:,} | {one['why']} |" for one in cost.data()["assumed"].values()]
    return ["### Assumed", "", "| value | what |", "|---:|---|", *rows, ""]


def not_counted() -> list[str]:
    """Resources of the template without a cost."""
    kinds = cost.data()["resources"].items()
    rows = [f"| `{kind}` | {one['not_counted']} |" for kind, one in kinds if "not_counted" in one]
    return ["### Not counted", "", "| what the template makes | why |", "|---|---|", *rows, ""]


def prices() -> list[str]:
    rows = [
        f"| {one['what']} | {one['usd']:.10g} | {one['per']:,} | {one['source']} | {one['checked'] or 'not verified'} |"
        for one in cost.data()["prices"].values()
    ]
    head = ["| what | US dollars | for | source | read |", "|---|---:|---:|---|---|"]
    return [f"### Prices in {cost.data()['region']}", "", *head, *rows, ""]
