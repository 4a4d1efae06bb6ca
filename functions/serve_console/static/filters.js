// The search and the filters of the list. Filters and ids are part of the address. Phones, e-mails and names are not: they
// are stored with the tab's entry of the history, so that they survive a reload, and no address shows them.

import { api } from "./api.js";
import { el, fill } from "./dom.js";
import { OUTCOMES, STAGES, STATES, fieldErrorText, fieldName, meaningOf, outcomeName } from "./labels.js";
import { moreButton } from "./layout.js";
import { knownPartners, knownSources, partnerName } from "./partners.js";
import { formatNumber, hasText, t } from "./words.js";

const FILTERS = ["status", "outcome", "stage", "source", "partner", "campaign", "problem", "since", "until", "attention"];
const ID = /^(ld_[a-z2-7]{26}|[#№]?\s*\d{1,6}|[0-9A-Fa-f]{8}-[0-9A-Fa-f-]{4,55})$/; // of a lead, a deal, an account
const MAX_AGE = 300_000; // milliseconds for which the statistics are kept
let figures = null; // of the last days: { at, days, loaded }

// The address of the list of leads with some filters.
export function listAddress(filters) {
  const query = new URLSearchParams(Object.entries(filters).filter(([, value]) => value));
  return `#/leads${query.size ? `?${query}` : ""}`;
}

export function readFilters(query) {
  const filters = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? ""]));
  return { filters, search: query.get("search") || history.state?.search || "" };
}

// Show the list with other filters and another search.
function go(filters, search) {
  const isId = ID.test(search);
  history.pushState(search && !isId ? { search } : null, "", listAddress({ ...filters, search: isId ? search : "" }));
  dispatchEvent(new HashChangeEvent("hashchange"));
}

export function filterBar({ filters, search, leads }, reset) {
  const change = (event) => go({ ...filters, [event.target.name]: event.target.value.trim() }, box.value.trim());
  const option = (value, text) => el("option", { value }, text);
  const field = (name, control) => el("div", {}, el("label", { for: `filter-${name}` }, t(`list.${name}`)), control);
  const choice = (name, options) => {
    const select = el("select", { id: `filter-${name}`, name, onchange: change }, option("", t("list.any")), options);
    select.value = filters[name];
    return field(name, select);
  };
  const input = (name, attributes) => field(name, el("input", { id: `filter-${name}`, name, value: filters[name], onchange: change, autocomplete: "off", ...attributes }));
  const sorted = (...names) => [...new Set(names.flat().filter(Boolean))].sort();
  const box = el("input", { id: "search", type: "search", autocomplete: "off", spellcheck: "false", maxlength: 255, value: search });
  const campaigns = el("datalist", { id: "campaigns" });
  const problems = choice("problem", problemOptions([], leads, filters.problem));
  loadFigures(filters).then((found) => {
    if (!found) return;
    fill(campaigns, sorted(found.campaigns.map((one) => one.campaign)).map((one) => option(one)));
    const select = problems.querySelector("select");
    fill(select, option("", t("list.any")), problemOptions(found.problems, leads, filters.problem));
    select.value = filters.problem;
  });
  const active = Object.values(filters).filter(Boolean).length;
  const submit = (event) => {
    event.preventDefault();
    reset();
    go(filters, box.value.trim());
  };
  const clear = () => {
    reset();
    go({}, "");
  };
  return el(
    "form",
    { class: "filters", role: "search", onsubmit: submit },
    el("div", { class: "phone" }, el("label", { for: "search" }, t("list.search"), el("span", { class: "what" }, ": ", t("list.search.what"))), el("div", { class: "joined" }, box, el("button", { type: "submit" }, t("list.find")))),
    moreButton("more-filters", t("list.filters"), active > 0 && ` (${formatNumber(active)})`),
    el("div", { class: "more-filters", id: "more-filters" },
      choice("status", STATES.map((state) => option(state, t(`state.${state}`)))),
      choice("outcome", OUTCOMES.map((outcome) => option(outcome, outcomeName(outcome)))),
      choice("stage", STAGES.map((stage) => option(stage, t(`funnel.${stage}`)))),
      choice("source", sorted(knownSources(), leads.map((lead) => lead.source), filters.source).map((one) => option(one, one))),
      choice("partner", sorted(knownPartners(), filters.partner).map((one) => option(one, partnerName(one)))),
      problems,
      input("campaign", { list: "campaigns", spellcheck: "false", maxlength: 256 }), campaigns,
      input("since", { type: "date", max: filters.until || null }),
      input("until", { type: "date", min: filters.since || null }),
      el("button", { type: "button", class: "quiet", onclick: clear }, t("list.clear"))),
  );
}

// The problems of incomplete leads in the statistics, and those of the listed leads.
function problemOptions(counted, leads, chosen) {
  const found = new Set(counted.filter((one) => one.field).map((one) => `${one.field}:${one.code}`));
  for (const lead of leads) {
    for (const one of lead.problems) if (one.field) found.add(`${one.field}:${one.code}`);
    for (const one of Object.values(lead.deliveries)) if (one.last_error_code) found.add(one.last_error_code);
  }
  if (chosen) found.add(chosen);
  return [...found].sort().map((value) => el("option", { value }, problemName(value)));
}

function problemName(value) {
  const [first, second] = value.split(":");
  const code = second ?? (first.includes(".") ? "" : first);
  const name = first.includes(".") ? fieldName(first.split(".").pop()) : "";
  if (!code) return name;
  const text = hasText(`field_error.${code}`) ? fieldErrorText({ code }) : (meaningOf(code) ?? code);
  return name ? [name, ": ", text] : text;
}

// The statistics of the days of a filter, or of the last 30; null if they cannot be read.
async function loadFigures({ since, until }) {
  const days = since && until ? { from: since, to: until } : {};
  const key = JSON.stringify(days);
  if (figures?.key !== key || Date.now() - figures.at > MAX_AGE) figures = { key, at: Date.now(), loaded: api.stats({ ...days, by: "campaign" }) };
  try {
    return await figures.loaded;
  } catch {
    figures = null;
    return null;
  }
}

// How many leads a list has, from the statistics, and of how many days; null if they do not know it.
export async function countLeads({ filters, search }) {
  const { status, outcome, stage, source, partner, campaign, problem, since, until, attention } = filters;
  if (search || outcome || stage || problem || attention || Boolean(since) !== Boolean(until)) return null;
  if ((campaign && (status || partner)) || (status && status !== "incomplete" && !partner)) return null;
  const found = await loadFigures(filters);
  if (!found) return null;
  const rows = campaign ? found.campaigns : status === "incomplete" ? found.incomplete : partner ? found.counts : found.leads;
  const shown = rows.filter((one) => (!source || one.source === source) && (!campaign || one.campaign === campaign)
    && (!partner || one.partner === partner) && (!status || status === "incomplete" || one.state === status));
  const n = shown.reduce((sum, one) => sum + (one.count ?? one.received), 0);
  return { n, isRecent: !since };
}
