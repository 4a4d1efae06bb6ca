// The sources: whether each form is connected, what it posted on the last days, which of its fields arrive; a test post.

import { api, errorMessage } from "./api.js";
import { el, fill, isolate, refill, whileBusy } from "./dom.js";
import { fieldName, facts, namedErrors, pill, timeAgo, title } from "./labels.js";
import { notify } from "./layout.js";
import { partnerNames } from "./partners.js";
import { INTERVALS, loadAndPoll } from "./polling.js";
import { formatDay, formatNumber, hasText, phrase, t } from "./words.js";

const DAYS = 7; // of the figures
const ORDER = ["refused", "tested", "connected", "silent"]; // of the sources, by state
const NUMBERS = ["accepted", "incomplete", "repeated", "refused"]; // columns of the table by day

export async function show(main, { signal }) {
  title(t("nav.sources"));
  const cards = el("div", { class: "cards" }, el("p", { class: "muted" }, t("loading")));
  let seen = null;
  const load = async () => {
    const { sources, time_zone: zone } = await api.sources(DAYS, signal);
    const next = JSON.stringify(sources);
    if (next !== seen) refill(cards, sources.toSorted((one, other) => ORDER.indexOf(stateOf(one)) - ORDER.indexOf(stateOf(other))).map((one) => card(one, zone)));
    seen = next;
  };
  fill(main, el("h1", { tabindex: "-1" }, t("nav.sources")), cards, el("p", { class: "muted" }, t("sources.note", { n: DAYS })));
  await loadAndPoll(INTERVALS.list, signal, load, (error) => fill(cards, el("p", { class: "problem", role: "alert" }, errorMessage(error))));
}

function card(one, zone) {
  const { source, days } = one;
  const id = `source-${source}`;
  const posts = days.map((day) => ({ ...day, reasons: day.refused, refused: total(day.refused) }));
  const sum = (name) => posts.reduce((all, day) => all + day[name], 0);
  const number = (name) => sum(name) > 0 && formatNumber(sum(name));
  const last = (at) => one.last_post_at && (at ? timeAgo(at) : t("sources.never"));
  return el(
    "section",
    { class: "card partner", "data-source": source, "aria-labelledby": id },
    el("div", { class: "heading" }, el("h2", { id }, isolate(source, { cut: 40 })), pill(stateOf(one), "source")),
    facts([
      [t("sources.last_post"), last(one.last_post_at)],
      [t("sources.last_accepted"), last(one.last_accepted_at)],
      [t("sources.accepted"), one.last_post_at && formatNumber(sum("accepted"))],
      [t("state.incomplete"), sum("incomplete") > 0 && el("a", { href: `#/leads?${new URLSearchParams({ source, status: "incomplete" })}` }, number("incomplete"))],
      [t("sources.repeated"), number("repeated")],
      [t("sources.tests"), number("tests")],
      [t("sources.honeypot"), number("honeypot")],
      [t("sources.refused"), sum("refused") > 0 && reasons(days)],
      [t("partners.kind"), el("code", {}, one.adapter)],
      [t("nav.partners"), partnerNames(one.partners)],
      [t("sources.address"), el("code", { class: "address" }, new URL(one.path.slice(1), document.baseURI).href)],
    ]),
    refusedLead(one),
    names("missing", one.fields.filter(({ arrives }) => arrives === false).map(({ name, field }) => [code(name), " → ", fieldName(field.split(".").pop())])),
    names("unused", one.unused.map(({ name }) => code(name))),
    days.length > 0 && byDay(source, posts, zone),
    el("div", { class: "buttons" }, el("button", { type: "button", "data-key": id, onclick: (event) => test(source, event.currentTarget) }, t("sources.test"))),
    el("p", { class: "links" },
      el("a", { href: `#/leads?${new URLSearchParams({ source })}` }, t("nav.leads")), " · ",
      el("a", { href: `#/partners/route?${new URLSearchParams({ source })}` }, t("dry_run.open"))),
  );
}

// Whether the form is connected: its last post tells, unless it was only repeated.
function stateOf({ last_post_at: post, last_accepted_at: accepted, last_refused_at: refused }) {
  if (refused && (!accepted || refused > accepted)) return "refused";
  return accepted ? "connected" : post ? "tested" : "silent";
}

// Names of the form's fields.
function code(text) {
  return el("code", {}, isolate(text));
}

function total(counts) {
  return Object.values(counts).reduce((all, count) => all + count, 0);
}

// The refused posts by reason, those with most posts first.
function reasons(days) {
  const counts = new Map();
  for (const { refused } of days) for (const [reason, count] of Object.entries(refused)) counts.set(reason, (counts.get(reason) ?? 0) + count);
  return el("ul", { class: "plain" }, [...counts].sort(([, one], [, other]) => other - one).map(([reason, count]) =>
    el("li", {}, hasText(`refusal.${reason}`) ? t(`refusal.${reason}`) : isolate(reason), ` – ${formatNumber(count)}`)));
}

// Why the last refused lead was refused, and the names that its form used instead. A later lead shows that it is solved.
function refusedLead({ last_invalid: invalid, last_accepted_at: accepted }) {
  if (!invalid || (accepted && accepted > invalid.at)) return null;
  return el("div", { "data-refused": true },
    el("h3", {}, phrase("sources.invalid", { ago: timeAgo(invalid.at) })),
    el("ul", { class: "problems" }, namedErrors(invalid.errors).map((one) => el("li", {}, one))),
    invalid.unused.length > 0 && el("p", {}, phrase("sources.invalid.unused", { names: code(invalid.unused.join(", ")) })));
}

function names(kind, rows) {
  return rows.length > 0 && el("div", { "data-names": kind }, el("h3", {}, t(`sources.${kind}`)), el("ul", { class: "plain" }, rows.map((row) => el("li", {}, row))));
}

function byDay(source, posts, zone) {
  return el("details", { "data-key": `by-day-${source}` },
    el("summary", {}, t("sources.by_day")),
    el("div", { class: "scrolled", tabindex: "0", role: "region", "aria-label": t("sources.by_day") },
      el("table", {},
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, t("charts.day", { zone })), NUMBERS.map((name) => el("th", { scope: "col", class: "figure" }, t(name === "incomplete" ? "state.incomplete" : `sources.${name}`))))),
        el("tbody", {}, posts.toReversed().map((day) => el("tr", {}, el("th", { scope: "row" }, formatDay(day.day)), NUMBERS.map((name) =>
          el("td", { class: "figure" }, formatNumber(day[name]), name === "refused" && day.refused > 0 && el("div", { class: "muted small" }, reasons([{ refused: day.reasons }]))))))))));
}

async function test(source, button) {
  try {
    await whileBusy(button, () => api.testSource(source));
    notify(t("sources.test.done", { source }));
  } catch (error) {
    notify(error.slug === "not-ready" ? t("sources.test.not_ready", { source }) : errorMessage(error));
  }
}
