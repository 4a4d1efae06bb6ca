// The funnel of sources, partners or campaigns: how much of what was received was submitted, approved and issued, and how soon.

import { el, isolate, linkedNumber } from "./dom.js";
import { listAddress } from "./filters.js";
import { STAGES } from "./labels.js";
import { partnerName } from "./partners.js";
import { formatDuration, formatNumber, formatPercent, t } from "./words.js";

const MAX_ROWS = 50;
const OTHER_CAMPAIGNS = "(other)"; // as the API names those that are not counted by name
let grouping = "source";

// A table of the figures of some days, or null if nothing was received. With a partner only its own funnel is shown.
export function funnelCard({ funnels, campaigns, from, to }, partner) {
  const groups = partner
    ? { partner: funnels.partners.filter((one) => one.partner === partner) }
    : { source: funnels.sources, partner: funnels.partners, campaign: campaigns };
  if (!Object.values(groups).some((rows) => rows.length)) return null;
  const chosen = partner ? "partner" : grouping;
  const tables = Object.entries(groups).map(([name, rows]) => el("div", { "data-by": name, hidden: name !== chosen }, table(name, rows, { since: from, until: to })));
  const choose = (event) => {
    grouping = event.target.value;
    for (const one of tables) one.hidden = one.dataset.by !== grouping;
  };
  const choice = el("select", { id: "funnel-by", onchange: choose }, Object.keys(groups).map((name) => el("option", { value: name }, t(`funnel.by.${name}`))));
  choice.value = chosen;
  return el(
    "section",
    { class: "card funnel" },
    el("div", { class: "heading" }, el("h3", {}, t("funnel.heading")), !partner && el("div", { class: "choice" }, el("label", { for: "funnel-by" }, t("funnel.by")), choice)),
    tables,
    el("p", { class: "muted" }, t("funnel.note")),
  );
}

function table(name, rows, days) {
  if (!rows.length) return el("p", { class: "muted" }, t("charts.empty"));
  return [el(
    "div",
    { class: "scrolled", tabindex: "0", role: "region", "aria-label": t("funnel.heading") },
    el("table", {},
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, t(`funnel.by.${name}`)), ["received", ...STAGES].map((stage) => el("th", { scope: "col", class: "figure" }, t(`funnel.${stage}`))))),
      el("tbody", {}, rows.slice(0, MAX_ROWS).map((row) => {
        const link = (stage) => row.campaign !== OTHER_CAMPAIGNS && listAddress({ ...days, source: row.source, partner: row.partner, campaign: row.campaign, stage });
        return el("tr", {}, el("th", { scope: "row" }, rowName(name, row, days)), el("td", { class: "figure" }, linkedNumber(row.received, formatNumber(row.received), link())), STAGES.map((stage) => cell(row[stage], row.received, link(stage))));
      })),
    ),
  ), rows.length > MAX_ROWS && el("p", { class: "muted" }, t("funnel.cut", { n: rows.length, shown: formatNumber(MAX_ROWS) }))];
}

function rowName(name, row, days) {
  if (name === "partner") return isolate(partnerName(row.partner));
  const source = el("a", { href: listAddress({ ...days, source: row.source }) }, isolate(row.source, { cut: 40 }));
  if (name === "source") return source;
  return [row.campaign === OTHER_CAMPAIGNS ? t("charts.others") : isolate(row.campaign, { cut: 50 }), " · ", source];
}

function cell({ count, median_seconds: median }, received, address) {
  const more = count > 0 && [received > 0 && formatPercent(count / received), median !== null && formatDuration(median)].filter(Boolean).join(" · ");
  return el("td", { class: "figure" }, linkedNumber(count, formatNumber(count), address), more && el("span", { class: "muted" }, el("br"), more));
}
