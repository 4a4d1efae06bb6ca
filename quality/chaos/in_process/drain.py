"""The end of a run in one process: time passes until nothing moves, then an operator probes every route.

After some runs months pass, deals change, and DynamoDB deletes expired items late and in any order.
"""

from collections import Counter
from datetime import timedelta

from devstack.partners import partner_profiles
from leadbridge.domain.clock import from_text
from leadbridge.runtime import aws
from leadbridge.storage import items
from quality.chaos.in_process.chaos import Chaos
from quality.chaos.operator import CHECK, LEAD
from quality.chaos.records import Snapshot
from quality.chaos.world import is_followed
from quality.testkit.template import template

PACE = 20.0  # seconds that a deal stays in one status
EVERY_MINUTE = timedelta(minutes=1)
SHORTEST_WINDOW = timedelta(hours=1)  # of a cap
MAX_ROUNDS = 5000  # a day of waiting for a cap is several hundred
MAX_TIME = timedelta(days=20)  # with a cap of some leads a day
MAX_WAITS = 200  # for the same things; those for a daily cap and its repeats are up to seventy a day
MAX_CHECK_WAIT = timedelta(days=4)  # about what `MAX_WAITS` take; an operator checks what the product checks later
MAX_ERASURES = 20  # without faults
WITHOUT_BUS = 0.25  # the share of runs in which the event bus stays off until everything has ended

ROUNDS = 4
ROUND = (0.25, 0.6)  # of the retention period, at least and at most
LATE = 0.4  # the share of expired items that DynamoDB deletes later
DAY = 86_400

# The checks that still apply after parts of leads have expired.
AFTER_RETENTION = (
    "nothing_is_in_transit",
    "failures_are_explained",
    "leads_expire_last",
    "messages_are_in_order",
    "last_status_is_known",
    "erased_people_leave_no_data",
    "erased_people_get_no_messages",
)


def drain(run: Chaos) -> Snapshot:
    """Stop the faults, let time pass until everything has settled, then probe every route.

    Returns the snapshot before the probes, because they resolve some failures. In some runs the event bus stays off, so
    that find_due must process everything.
    """
    run.is_draining = True
    for worker in list(run.harness.frozen):
        run.harness.resume(worker, kill=run.random.random() < 0.5)
    run.stop_faults()
    if run.random.random() < 0.5:
        run.operator.redrive_all()
    run.transit.bus_is_off = run.random.random() < WITHOUT_BUS
    if run.transit.bus_is_off:
        run.counters.add("runs that ended without the event bus")
    wait_until_settled(run)
    run.transit.bus_is_off = False
    snapshot = run.snapshot()
    run.operator.probe_all(snapshot)
    wait_until_settled(run)
    return snapshot


def wait_until_settled(run: Chaos) -> None:
    """Let time pass until nothing moves, or until a limit; then the checks report what still moves."""
    began_at = looked_at = run.time.now
    erasures = waits = 0
    waited_for: Counter[str] = Counter()
    for _ in range(MAX_ROUNDS):
        if run.time.now - began_at > MAX_TIME or waits > MAX_WAITS:
            break
        run.transit.collect()
        if run.time.now - looked_at >= EVERY_MINUTE:
            looked_at = run.time.now
            run.invoke("FindDue", {})
        if run.transit.stats_records:
            run.update_stats()
        elif run.transit.records:
            run.publish()
        elif run.transit.visible():
            run.deliver()
        elif run.unanswered:
            run.time.advance(6)  # a secret is read once in a few seconds at most
            run.post(run.unanswered[0])
        elif run.operator.to_be_erased and erasures < MAX_ERASURES:
            erasures += 1
            run.time.advance(PACE)
            run.operator.erase_the_rest()
        elif run.transit.messages:
            run.time.now = max(run.time.now, min(message.visible_at for message in run.transit.messages))
        elif moving := (snapshot := _moving(run)).unsettled():
            waits = waits + 1 if moving == waited_for else 0
            waited_for = moving
            _check_old_deals(run, snapshot)
            _wait_for_due(run, snapshot, moving.total(), timedelta(seconds=PACE) * (1 + waits))
            run.invoke("FindDue", {})
            run.invoke("SyncAccounts", {})
        else:
            run.time.advance(60)  # hidden dead letters become visible
            return
    run.counters.fail("the run", f"is not settled: {', '.join(_moving(run).unsettled())}")


def _moving(run: Chaos) -> Snapshot:
    """The part of the snapshot that shows what moves."""
    table, made = list(run.stores.table_items()), run.partner_records()
    return Snapshot([], table, partner_records=made, queue_sizes=run.stores.waiting())


def _wait_for_due(run: Chaos, snapshot: Snapshot, moving: int, pause: timedelta) -> None:
    """Let time pass for a pause, or until the first wait ends if everything that moves waits.

    After a wait that has ended the cap is full again, so the next window is tried.
    """
    now, ends = run.time.now, []
    for values in snapshot.table:
        if values.get("state") in {"received", "pending"}:
            is_waiting = "waiting_until" in values
            until = from_text(values["waiting_until" if is_waiting else "due_at"])
            ends.append(now + SHORTEST_WINDOW if is_waiting and until <= now else until)
    run.time.now = max(now + pause, min(ends) if ends and moving <= len(ends) else now)


def _check_old_deals(run: Chaos, snapshot: Snapshot) -> None:
    """Have an operator check the changed statuses of deals whose next check is further away than `MAX_CHECK_WAIT`.

    A deal that the run has aged by months is checked at twice its age.
    """
    for lead_id, _, delivery in snapshot.deliveries():
        made = snapshot.partner_record_of(delivery)
        if not is_followed(delivery) or made is None or made.status in {None, delivery.partner_status}:
            continue
        schedule = run.settings.partners[delivery.partner].check_schedule
        since, now = delivery.followed_since, run.time.now
        next_check = schedule.next_check(since, now) if schedule is not None and since is not None else None
        if next_check is not None and next_check - now > MAX_CHECK_WAIT:
            run.counters.add("old deals that an operator checked")
            run.call("POST", CHECK, place={"lead_id": lead_id, "partner": delivery.partner})


def pass_months(run: Chaos) -> None:
    """Let months pass, in which some deals change and some messages are written; then erase everybody."""
    days = int(template()["Parameters"]["RetentionDays"]["Default"])
    for _ in range(ROUNDS):
        run.time.advance(run.random.uniform(*ROUND) * days * DAY)
        _expire(run)
        _change(run)
        wait_until_settled(run)
    _expire(run)
    for lead_id in sorted({posted.lead_id for posted in run.posted}):
        _read_and_erase(run, lead_id)
    wait_until_settled(run)


def _expire(run: Chaos) -> None:
    """Delete most of the expired items, in any order."""
    now = run.time.seconds()
    expired = [values for values in run.stores.table_items() if values.get("expires_at", now) < now]
    run.random.shuffle(expired)
    for values in expired:
        if run.random.random() >= LATE:
            run.counters.add("items that expired")
            aws.dynamodb().delete_item(TableName="Leads", Key=items.encode({"pk": values["pk"], "sk": values["sk"]}))


def _change(run: Chaos) -> None:
    """Change the status of some followed deals, and write to some people."""
    for delivery in [one for _, _, one in run.snapshot().deliveries() if is_followed(one)]:
        if run.random.random() < 0.5:
            run.counters.add("statuses that change after months")
            profile, remote = partner_profiles()[delivery.partner], run.partner.at(delivery.partner)
            other = run.other_status(delivery, profile.status(remote, delivery.created))
            profile.put_status(remote, delivery.created, other)
    for lead_id in sorted({posted.lead_id for posted in run.random.sample(run.posted, 2)}):
        run.call("POST", "/messages", {"lead_id": lead_id, "text": f"Лист через місяці {lead_id}"})


def _read_and_erase(run: Chaos, lead_id: str) -> None:
    """An operator reads a lead, which is not found if it has expired, and erases what remains of it."""
    kept = {values["sk"] for values in run.stores.table_items() if values["pk"] == f"LEAD#{lead_id}"}
    if "LEAD" not in kept:
        run.expired.add(lead_id)

    def read(status: int) -> None:
        if status not in {0, 200 if "LEAD" in kept else 404}:
            run.counters.fail("GET /leads/{lead_id}", f"answered {status}, and the table has {sorted(kept)}")

    def erased(status: int) -> None:
        if status == 204:
            run.operator.erased.add(lead_id)
        elif status and kept:
            run.counters.fail("DELETE /leads/{lead_id}", f"answered {status}, and items remain")

    run.call("GET", LEAD, place={"lead_id": lead_id}, on=read)
    run.call("DELETE", LEAD, place={"lead_id": lead_id}, on=erased)
