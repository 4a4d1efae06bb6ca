// The partners: whether each one gets leads and why not, its caps and figures; pause and resume.

import { api, errorMessage } from "./api.js";
import { confirm } from "./dialog.js";
import { el, fill, isolate, refill } from "./dom.js";
import { notify } from "./layout.js";
import { refreshPartners } from "./partners.js";
import { facts, meaningOf, pill, sourceLinks, time, title } from "./labels.js";
import { INTERVALS, loadAndPoll } from "./polling.js";
import { formatNumber, formatPercent, hasText, phrase, t } from "./words.js";

const DAYS = 30; // of the figures
const LATE = 3600; // seconds by which status checks are late before they are shown
const MAX_REASON = 500; // characters, the API's limit
const ACCEPTED = ["submitted", "closed"];
const REFUSED = ["rejected", "duplicate"];

export async function show(main, { signal }) {
  title(t("nav.partners"));
  const cards = el("div", { class: "cards" }, el("p", { class: "muted" }, t("loading")));
  let seen = null;
  const load = async () => {
    const [partners, { counts, submission_times: times }] = await Promise.all([
      refreshPartners(signal),
      api.stats({ days: DAYS }, signal),
    ]);
    const next = JSON.stringify([partners, counts, times]);
    const of = (partner, figures) => figures.filter((one) => one.partner === partner.name);
    if (next !== seen) refill(cards, partners.map((partner) => card(partner, of(partner, counts), of(partner, times), done)));
    seen = next;
  };
  const done = async (result, text) => {
    if (result === null) return;
    if (!(result instanceof Error)) notify(text);
    await load().catch(() => {}); // the next poll loads it
    if (!main.contains(document.activeElement)) main.querySelector("h1")?.focus();
  };
  fill(
    main,
    el("div", { class: "heading" }, el("h1", { tabindex: "-1" }, t("nav.partners")), el("a", { href: "#/partners/route", id: "dry-run" }, t("dry_run.open"))),
    cards,
    el("p", { class: "muted" }, t("partners.figures", { n: DAYS })),
  );
  await loadAndPoll(INTERVALS.overview, signal, load, (error) => fill(cards, el("p", { class: "problem", role: "alert" }, errorMessage(error))));
}

function card(partner, counts, times, done) {
  const { name, label, state, pause, circuit, checks } = partner;
  const count = (...states) => counts.filter((one) => states.includes(one.state)).reduce((sum, one) => sum + one.count, 0);
  const [waiting, accepted, refused] = [count("received"), count(...ACCEPTED), count(...REFUSED)];
  const link = (query, ...text) => el("a", { href: `#/leads?${new URLSearchParams({ ...query, partner: name })}` }, text);
  const id = `partner-${name}`;
  return el(
    "section",
    { class: "card partner", "data-partner": name, "aria-labelledby": id },
    el("div", { class: "heading" }, el("h2", { id }, isolate(label)), pill(state, "partner")),
    hasText(`partner.${state}.what`) && el("p", {}, t(`partner.${state}.what`)),
    pause && el("p", {}, phrase("partners.paused_by", { operator: pause.operator, time: time(pause.at) }), el("br"), isolate(pause.reason)),
    circuit.since && circuit.code && el("p", { class: "error" }, meaningOf(circuit.code) ?? isolate(circuit.code)),
    facts([
      [t("partners.stopped_at"), circuit.since && time(circuit.since)],
      [t("partners.next_try"), circuit.opened_until && time(circuit.opened_until)],
      [t("partners.opens_at"), partner.opens_at && time(partner.opens_at)],
      [t("partners.waiting"), waiting > 0 ? link({ status: "received" }, formatNumber(waiting)) : formatNumber(0)],
      [t("partners.accepted"), accepted + refused > 0 && t("partners.share", { share: formatPercent(accepted / (accepted + refused)), accepted: formatNumber(accepted), all: formatNumber(accepted + refused) })],
      [t("partners.time"), usualTime(times)],
      ...(partner.caps ?? []).map(({ window, count: used, limit }) => [capName(window), t("partners.cap", { used: formatNumber(used), limit: formatNumber(limit) })]),
      [t("partners.checks_late"), checks?.oldest_due_seconds > LATE && t("partners.hours", { n: Math.round(checks.oldest_due_seconds / 3600) })],
      [t("partners.kind"), el("code", {}, partner.kind)],
      [t("partners.sources"), partner.sources.length > 0 && sourceLinks(partner.sources)],
    ]),
    el("div", { class: "buttons" },
      pause
        ? el("button", { type: "button", class: "primary", "data-key": id, onclick: () => resume(partner, done) }, t("resume.open"))
        : el("button", { type: "button", "data-key": id, onclick: () => stop(partner, done) }, t("pause.open"))),
    el("p", { class: "links" }, link({}, t("nav.leads")), " · ", el("a", { href: `#/?${new URLSearchParams({ partner: name })}` }, t("overview.statistics"))),
  );
}

// The shortest time within which at least half of the leads were sent.
function usualTime(times) {
  let left = times.reduce((sum, one) => sum + one.count, 0) / 2;
  const median = times.find(({ count }) => (left -= count) <= 0);
  return median && t(`partners.within.${median.within_seconds ?? "longer"}`);
}

function capName(window) {
  return hasText(`cap.${window}`) ? t(`cap.${window}`) : isolate(window);
}

async function stop({ name, label }, done) {
  const reason = el("textarea", { id: "pause-reason", name: "reason", required: true, rows: 2, maxlength: MAX_REASON, "aria-describedby": "pause-hint" });
  const result = await confirm({
    heading: t("pause.heading", { partner: label }),
    body: [
      el("p", {}, phrase("pause.text", { partner: label })),
      el("label", { for: "pause-reason" }, t("pause.reason")), reason,
      el("p", { class: "muted small", id: "pause-hint" }, t("pause.hint")),
    ],
    label: t("pause.confirm"),
    run: (form) => api.pause(name, String(form.get("reason"))),
  });
  await done(result, t("pause.done", { partner: label }));
}

async function resume({ name, label }, done) {
  const result = await confirm({
    heading: t("resume.heading", { partner: label }),
    body: [el("p", {}, phrase("resume.text", { partner: label }))],
    label: t("resume.confirm"),
    run: () => api.resume(name),
  });
  await done(result, t("resume.done", { partner: label }));
}
