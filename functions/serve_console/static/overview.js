// The overview: what needs a person first, then how much came, from where, and what became of it.

import { api, why } from "./api.js";
import { look, shown as attentionShown } from "./attention.js";
import { bars, byDay, sum } from "./charts.js";
import { el, fill, refill, said } from "./dom.js";
import { partnerName } from "./partners.js";
import { STATES, time, title } from "./plain.js";
import { pace, repeat } from "./polling.js";
import { t } from "./words.js";

const PERIODS = [7, 30, 90]; // days
const DAY = 86_400_000; // milliseconds
let period = 30;
let hasSync = null; // whether there is a broker whose accounts are read; null until asked

export function forget() {
  hasSync = null;
}

export async function show(main, { signal }) {
  title(t("nav.overview"));
  const attention = el("div", { class: "attention", "aria-live": "polite" }, el("p", { class: "muted" }, t("loading")));
  const charts = el("div", { class: "charts" });
  const sync = el("div", {});
  let drawing = new AbortController();
  let seen = {};

  const load = async () => {
    const to = new Date();
    const from = new Date(to.getTime() - (Math.max(period, 8) - 1) * DAY);
    const figures = await api.stats(dayOf(from), dayOf(to), signal);
    const [needs] = await Promise.all([look(figures, signal), showSync(sync, signal)]);
    const next = { needs: JSON.stringify(needs), figures: JSON.stringify(figures), period };
    if (seen.needs !== next.needs) refill(attention, attentionShown(needs));
    if (seen.figures !== next.figures || seen.period !== period) {
      drawing.abort();
      drawing = new AbortController();
      refill(charts, drawn(cut(figures, dayOf(new Date(to.getTime() - (period - 1) * DAY))), AbortSignal.any([signal, drawing.signal])));
    }
    seen = next;
  };
  const choose = (event) => {
    period = Number(event.target.value);
    load().catch((error) => !signal.aborted && fill(charts, el("p", { class: "wrong", role: "alert" }, why(error))));
  };
  const choice = el("select", { id: "period", onchange: choose }, PERIODS.map((days) => el("option", { value: days }, t("overview.days", { n: days }))));
  choice.value = String(period);
  fill(
    main,
    el("h1", { tabindex: "-1" }, t("nav.overview")),
    el("section", { "aria-labelledby": "attention-heading" }, el("h2", { id: "attention-heading" }, t("attention.heading")), attention),
    sync,
    el("section", { "aria-labelledby": "figures-heading" },
      el("div", { class: "heading" }, el("h2", { id: "figures-heading" }, t("overview.figures")), el("div", { class: "choice" }, el("label", { for: "period" }, t("overview.period")), choice)),
      charts),
  );
  await load().catch((error) => !signal.aborted && fill(attention, el("p", { class: "wrong", role: "alert" }, why(error))));
  repeat(pace.overview, signal, load);
}

function dayOf(moment) {
  return moment.toISOString().slice(0, 10);
}

function cut(figures, from) {
  const late = (one) => one.day >= from;
  return { from, to: figures.to, leads: figures.leads.filter(late), counts: figures.counts.filter(late) };
}

function drawn(figures, signal) {
  const link = (name) => (value) => `#/leads?${new URLSearchParams({ [name]: value })}`;
  const states = sum(figures.counts, (one) => one.state);
  const inOrder = new Map(STATES.filter((state) => states.has(state)).map((state) => [state, states.get(state)]));
  const tones = { unknown: "bad", failed: "bad", rejected: "warn", closed: "good" };
  return [
    byDay(figures, signal),
    el("div", { class: "cards" },
      bars(t("charts.by_source"), sum(figures.leads, (one) => one.source), (source) => said(source, { cut: 40 }), link("source")),
      bars(t("charts.by_partner"), sum(figures.counts, (one) => one.partner), (partner) => said(partnerName(partner)), link("partner")),
      bars(t("charts.by_state"), inOrder, (state) => t(`state.${state}`), link("status"), (state) => tones[state] ?? "")),
  ];
}

// How far the broker's accounts have been read, where the stack does so: whatever plain facts its route tells.
async function showSync(box, signal) {
  if (hasSync === false) return;
  let told;
  try {
    told = await api.sync(signal);
    hasSync = true;
  } catch (error) {
    if (signal.aborted) throw error;
    hasSync ??= error.status === 0 || error.status >= 500 ? null : false;
    return;
  }
  const partners = Object.entries(told?.partners ?? {});
  if (!partners.length) return;
  refill(box, el("section", { class: "card", id: "sync", "aria-labelledby": "sync-heading" },
    el("h2", { id: "sync-heading" }, t("overview.sync")),
    partners.map(([name, state]) => [el("h3", {}, said(partnerName(name))), state ? el("dl", { class: "facts" }, factsOf(state)) : el("p", { class: "muted" }, t("sync.never"))]),
  ));
}

function factsOf(state) {
  const facts = [
    ["sync.watermark", time(state.watermark)],
    ["sync.whole", state.whole_ended_at ? time(state.whole_ended_at) : t("sync.not_yet")],
    ...Object.entries(state.passes ?? {}).map(([kind, pass]) => [`sync.pass.${kind}`, said(`${pass.progress} %`)]),
  ];
  return facts.map(([name, value]) => el("div", {}, el("dt", {}, t(name)), el("dd", {}, value)));
}
