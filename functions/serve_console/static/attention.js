// What needs an operator: stuck deliveries, dead letters, silent sources, partners without leads, late status checks.

import { api } from "./api.js";
import { dayOf, sum } from "./charts.js";
import { el, isolate } from "./dom.js";
import { queueName } from "./dead_letters.js";
import { partnerName, refreshPartners } from "./partners.js";
import { errorInShort, lastError, namedErrors, pill, timeAgo } from "./labels.js";
import { formatNumber, phrase, t } from "./words.js";

const MAX_SHOWN = 5;
const MAX_COUNTED = 25; // larger counts are shown as "25+"
const DAY = 24 * 3600 * 1000; // milliseconds
const LATE = 3600; // seconds by which status checks are late before they are reported
const STOPPED = ["paused", "circuit_open"]; // states of a partner that gets no leads, although it could
const LOOKBACK_DAYS = 7; // a source without leads in this period is not reported as silent

// Load all of it with parallel requests. With a partner: only what is about it.
export async function loadAttention(figures, partner, signal) {
  const leads = (query) => api.leads({ ...query, partner, limit: MAX_COUNTED }, signal);
  const isShown = (name) => !partner || name === partner;
  const [unknown, needsCheck, failed, incomplete, { dead_letters: letters }, silentSources, partners] = await Promise.all([
    leads({ status: "unknown" }),
    leads({ attention: "true" }),
    leads({ status: "failed" }),
    partner ? { leads: [], cursor: null } : leads({ status: "incomplete" }), // no partner can receive these
    api.deadLetters(signal),
    partner ? [] : findSilentSources(figures, signal),
    refreshPartners(signal),
  ]);
  // By the minute: the overview is drawn again only if something changed.
  const lateChecks = partners
    .filter(({ name, checks }) => isShown(name) && checks?.oldest_due_seconds > LATE)
    .map(({ name, checks }) => ({ name, minutes: Math.floor(checks.oldest_due_seconds / 60) }));
  const stopped = partners.filter(({ name, state }) => isShown(name) && STOPPED.includes(state)).map(({ name, state, pause, circuit }) => ({ name, state, since: pause?.at ?? circuit.since }));
  return {
    partner, unknown, needsCheck, failed, incomplete: { ...incomplete, counted: countIncomplete(incomplete, figures) },
    letters: letters.filter((letter) => isShown(letter.partner)), silentSources, stopped, lateChecks,
  };
}

// Sources with leads in the last days but none within 24 hours, with the time of their last lead.
async function findSilentSources(figures, signal) {
  const today = figures.to;
  const since = dayOf(new Date(Date.parse(today) - LOOKBACK_DAYS * DAY));
  const recent = figures.leads.filter((one) => one.day >= since && one.count > 0);
  const active = new Set(recent.filter((one) => one.day === today).map((one) => one.source));
  const candidates = [...new Set(recent.map((one) => one.source))].filter((source) => !active.has(source));
  const newest = await Promise.all(candidates.map((source) => api.leads({ source, limit: 1 }, signal)));
  return candidates
    .map((source, place) => ({ source, last: newest[place].leads[0]?.received_at ?? null }))
    .filter(({ last }) => last === null || Date.now() - new Date(last).getTime() > DAY);
}

export function attentionCards({ partner, unknown, needsCheck, failed, incomplete, letters, silentSources, stopped, lateChecks }) {
  const stuck = (kind, page, query, matches) =>
    (page.leads.length > 0 || page.cursor) && leadCard(kind, page, new URLSearchParams({ ...query, ...(partner && { partner }) }), (name, one) => (!partner || name === partner) && matches(one));
  const cards = [
    stuck("unknown", unknown, { status: "unknown" }, (one) => one.state === "unknown"),
    stuck("needs_check", needsCheck, { attention: "true" }, (one) => one.attention),
    stuck("failed", failed, { status: "failed" }, (one) => one.state === "failed"),
    incomplete.leads.length > 0 && incompleteCard(incomplete),
    letters.length > 0 && deadLetterCard(letters),
    silentSources.length > 0 && silentSourceCard(silentSources),
    stopped.length > 0 && stoppedCard(stopped),
    lateChecks.length > 0 && lateCheckCard(lateChecks),
  ].filter(Boolean);
  if (cards.length === 0) return el("p", { class: "card all-clear", id: "all-clear" }, el("span", { "aria-hidden": "true", class: "sign" }, "✓"), " ", t("attention.none"));
  return el("div", { class: "cards" }, cards);
}

function card(id, heading, count, ...content) {
  return el("section", { class: "card needs-attention", id: `attention-${id}`, "aria-labelledby": `attention-${id}-heading` },
    el("h3", { id: `attention-${id}-heading` }, el("span", { class: "count" }, count), " ", heading), content);
}

function leadCard(kind, page, query, matches) {
  const n = page.leads.length;
  return card(
    kind,
    t(`attention.${kind}`, { n }),
    page.cursor ? `${formatNumber(n)}+` : formatNumber(n),
    el("p", { class: "muted" }, t(`attention.${kind}.what`)),
    el("ul", { class: "plain" }, page.leads.slice(0, MAX_SHOWN).map((lead) => {
      const [partner, delivery] = Object.entries(lead.deliveries).find(([name, one]) => matches(name, one)) ?? [];
      return el("li", {},
        el("a", { href: `#/leads/${lead.lead_id}`, "data-row": true }, isolate(lead.person?.full_name ?? lead.lead_id, { cut: 60 })),
        el("span", { class: "muted small" }, " ", isolate(partnerName(partner ?? "")), " · ", timeAgo(lead.received_at)),
        delivery?.last_error && el("span", { class: "error small" }, errorInShort(lastError(delivery))),
      );
    })),
    (n > MAX_SHOWN || page.cursor) && el("p", {}, el("a", { href: `#/leads?${query}` }, t("attention.all"))),
  );
}

// Incomplete leads with their number by source and by problem, so that a wrong field mapping is noticed.
function incompleteCard({ leads, cursor, counted }) {
  const link = (more, ...text) => el("a", { href: `#/leads?${new URLSearchParams({ status: "incomplete", ...more })}` }, text);
  const list = (key, counts, show) => [
    el("h4", {}, t(`attention.incomplete.${key}`)),
    el("ul", { class: "plain" }, counts.slice(0, MAX_SHOWN).map(([name, number]) => el("li", {}, show(name), ` – ${formatNumber(number)}`))),
  ];
  const n = Math.max(leads.length, counted.total);
  return card(
    "incomplete",
    t("attention.incomplete", { n }),
    cursor ? `${formatNumber(n)}+` : formatNumber(n),
    el("p", { class: "muted" }, t("attention.incomplete.what")),
    list("sources", counted.sources, (source) => link({ source }, isolate(source, { cut: 60 }))),
    list("problems", counted.problems, ([field, code]) => namedErrors([{ field, code }])),
    el("p", {}, link({}, t("attention.all"))),
  );
}

// The counts of the listed leads, or those of the statistics if the list goes on. The statistics also count erased leads.
function countIncomplete({ leads, cursor }, figures) {
  const isListed = !cursor || figures.totals.incomplete <= leads.length;
  const sources = isListed ? leads.map(({ source }) => ({ source, count: 1 })) : figures.incomplete;
  const problems = isListed ? leads.flatMap((lead) => lead.problems.map(({ field, code }) => ({ field, code, count: 1 }))) : figures.problems;
  return {
    total: isListed ? leads.length : figures.totals.incomplete,
    sources: [...sum(sources, (one) => one.source)],
    problems: [...sum(problems, (one) => JSON.stringify([one.field, one.code]))].map(([key, number]) => [JSON.parse(key), number]),
  };
}

function deadLetterCard(letters) {
  const groups = [...Map.groupBy(letters, (letter) => letter.queue)];
  return card(
    "dead-letters",
    t("attention.dead_letters", { n: letters.length }),
    formatNumber(letters.length),
    el("p", { class: "muted" }, t("attention.dead_letters.what")),
    el("ul", { class: "plain" }, groups.map(([queue, some]) => el("li", {}, queueName(queue), ` – ${formatNumber(some.length)}`))),
    el("p", {}, el("a", { href: "#/dead-letters" }, t("attention.dead_letters.open"))),
  );
}

function silentSourceCard(silentSources) {
  return card(
    "silent",
    t("attention.silent", { n: silentSources.length }),
    formatNumber(silentSources.length),
    el("p", { class: "muted" }, t("attention.silent.what")),
    el("ul", { class: "plain" }, silentSources.map(({ source, last }) => el("li", {},
      el("a", { href: `#/leads?${new URLSearchParams({ source })}` }, isolate(source, { cut: 60 })),
      el("span", { class: "muted small" }, " ", last ? phrase("attention.silent.last", { ago: timeAgo(last) }) : t("attention.silent.long")),
    ))),
  );
}

// Partners that an operator has paused, or that do not respond.
function stoppedCard(stopped) {
  return card(
    "stopped",
    t("attention.stopped", { n: stopped.length }),
    formatNumber(stopped.length),
    el("p", { class: "muted" }, t("attention.stopped.what")),
    el("ul", { class: "plain" }, stopped.map(({ name, state, since }) => el("li", {},
      isolate(partnerName(name)), " ", pill(state, "partner"),
      since && el("span", { class: "muted small" }, timeAgo(since)),
    ))),
    el("p", {}, el("a", { href: "#/partners" }, t("nav.partners"))),
  );
}

// Partners whose statuses are read later than planned: more deals are open than the workers can check, or the partner is slow.
function lateCheckCard(lateChecks) {
  const ago = (minutes) => timeAgo(new Date(Date.now() - minutes * 60_000).toISOString());
  return card(
    "late-checks",
    t("attention.late_checks", { n: lateChecks.length }),
    formatNumber(lateChecks.length),
    el("p", { class: "muted" }, t("attention.late_checks.what")),
    el("ul", { class: "plain" }, lateChecks.map(({ name, minutes }) => el("li", {},
      isolate(partnerName(name)),
      el("span", { class: "muted small" }, " ", phrase("attention.late_checks.since", { ago: ago(minutes) })),
    ))),
  );
}
