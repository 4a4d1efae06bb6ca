// The overview: what needs an operator, the sync of accounts, statistics.

import { api, errorMessage } from "./api.js";
import { bars, byDay, sum } from "./charts.js";
import { el, fill, isolate, refill } from "./dom.js";
import { funnelCard } from "./funnel.js";
import { listAddress } from "./filters.js";
import { groupList, loadGroups } from "./inbox.js";
import { notify } from "./layout.js";
import { knownPartners, partnerName } from "./partners.js";
import { STATES, facts, outcomeName, time, title, toneOfOutcome } from "./labels.js";
import { INTERVALS, loadAndPoll } from "./polling.js";
import { phrase, t } from "./words.js";

const PERIODS = [7, 30, 90]; // days
let period = 30;
let hasSync = null; // whether a broker's accounts are synced; null until the API has told

export function reset() {
  hasSync = null;
}

export async function show(main, { signal, query }) {
  title(t("nav.overview"));
  const attention = el("div", { class: "attention", "aria-live": "polite" }, el("p", { class: "muted" }, t("loading")));
  const charts = el("div", { class: "charts" });
  const sync = el("div", { class: "syncs" });
  const partner = query.get("partner"); // the only one that is shown; null: all
  let drawing = new AbortController();
  let seen = {};

  const load = async () => {
    const [figures, groups] = await Promise.all([api.stats({ days: period, by: "campaign" }, signal), loadGroups(partner, signal)]);
    const { funnels, campaigns, from, to } = figures;
    const next = { groups: JSON.stringify(groups), figures: JSON.stringify(figures), period };
    if (seen.groups !== next.groups) refill(attention, groupList(groups, done));
    if (seen.figures !== next.figures || seen.period !== period) {
      drawing.abort();
      drawing = new AbortController();
      refill(charts, drawCharts(since(figures, from, partner), funnelCard({ funnels, campaigns, from, to }, partner), partner, AbortSignal.any([signal, drawing.signal])));
    }
    seen = next;
    await showSync(sync, partner, signal); // below the rest, so it is asked for when that is shown
  };
  const done = async (result, text) => {
    if (result === null) return;
    if (!(result instanceof Error)) notify(text(result));
    await load().catch(() => {});
    if (!main.contains(document.activeElement)) main.querySelector("h1").focus();
  };
  const choose = (event) => {
    period = Number(event.target.value);
    load().catch((error) => !signal.aborted && fill(charts, el("p", { class: "problem", role: "alert" }, errorMessage(error))));
  };
  const choice = el("select", { id: "period", onchange: choose }, PERIODS.map((days) => el("option", { value: days }, t("overview.days", { n: days }))));
  choice.value = String(period);
  fill(
    main,
    el("div", { class: "heading" }, el("h1", { tabindex: "-1" }, t("nav.overview")), partnerChoice(partner)),
    el("section", { "aria-labelledby": "attention-heading" }, el("h2", { id: "attention-heading" }, t("attention.heading")), attention),
    el("section", { "aria-labelledby": "statistics-heading" },
      el("div", { class: "heading" }, el("h2", { id: "statistics-heading" }, t("overview.statistics")), el("div", { class: "choice" }, el("label", { for: "period" }, t("overview.period")), choice)),
      charts),
    sync,
  );
  await loadAndPoll(INTERVALS.overview, signal, load, (error) => fill(attention, el("p", { class: "problem", role: "alert" }, errorMessage(error))));
}

function partnerChoice(partner) {
  const all = [...new Set([...knownPartners(), partner].filter(Boolean))];
  if (all.length < 2) return null;
  const go = (event) => (location.hash = event.target.value ? `#/?${new URLSearchParams({ partner: event.target.value })}` : "#/");
  const choice = el("select", { id: "overview-partner", onchange: go }, el("option", { value: "" }, t("list.any")), all.map((one) => el("option", { value: one }, partnerName(one))));
  choice.value = partner ?? "";
  return el("div", { class: "choice" }, el("label", { for: "overview-partner" }, t("list.partner")), choice);
}

// The figures from a day on. With a partner its deliveries count as the leads: a lead has at most one delivery to each.
function since(figures, from, partner) {
  const shown = (rows) => rows.filter((one) => one.day >= from && (!partner || one.partner === partner));
  const counts = shown(figures.counts);
  return { from, to: figures.to, time_zone: figures.time_zone, counts, leads: partner ? counts : shown(figures.leads), outcomes: shown(figures.outcomes) };
}

function drawCharts(figures, funnel, partner, signal) {
  const days = { since: figures.from, until: figures.to };
  const link = (name) => (value) => listAddress({ ...days, partner, [name]: value });
  const states = sum(figures.counts, (one) => one.state);
  const inOrder = new Map(STATES.filter((state) => states.has(state)).map((state) => [state, states.get(state)]));
  const tones = { unknown: "bad", failed: "bad", rejected: "warn" };
  return [
    byDay(figures, (source, day) => listAddress({ source, partner, since: day, until: day }), signal),
    funnel,
    el("div", { class: "cards" },
      bars(t("charts.by_source"), sum(figures.leads, (one) => one.source), (source) => isolate(source, { cut: 40 }), link("source")),
      !partner && bars(t("charts.by_partner"), sum(figures.counts, (one) => one.partner), (partner) => isolate(partnerName(partner)), link("partner")),
      bars(t("charts.by_state"), inOrder, (state) => t(`state.${state}`), link("status"), (state) => tones[state] ?? ""),
      bars(t("charts.by_outcome"), sum(figures.outcomes.filter((one) => one.outcome), (one) => one.outcome), outcomeName, link("outcome"), toneOfOutcome)),
    el("p", { class: "muted" }, t("charts.delay")),
  ];
}

// The progress of each broker's account sync, if there is one.
async function showSync(box, partner, signal) {
  if (hasSync === false) return;
  let answer;
  try {
    answer = await api.sync(signal);
    hasSync = true;
  } catch (error) {
    if (signal.aborted) throw error;
    hasSync ??= error.status === 0 || error.status >= 500 ? null : false;
    return;
  }
  const partners = Object.entries(answer?.partners ?? {}).filter(([name]) => !partner || name === partner);
  if (!partners.length) return;
  refill(box, partners.map(([name, state]) =>
    el("section", { class: "card", "data-sync": name, "aria-labelledby": `sync-${name}` },
      el("h2", { id: `sync-${name}` }, phrase("overview.sync", { partner: partnerName(name) })),
      state ? facts(syncFacts(state)) : el("p", { class: "muted" }, t("sync.never")))));
}

function syncFacts(state) {
  return [
    [t("sync.watermark"), time(state.watermark)],
    [t("sync.full"), state.full_scan_finished_at ? time(state.full_scan_finished_at) : t("sync.not_yet")],
    ...Object.entries(state.scans ?? {}).map(([kind, pass]) => [t(`sync.scan.${kind}`), isolate(`${pass.progress} %`)]),
  ];
}
