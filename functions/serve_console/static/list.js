// The list: newest first, filtered, as far down as one likes; what comes meanwhile waits on top until it is wanted.

import { api, why } from "./api.js";
import { collect, save, table } from "./csv.js";
import { el, fill, put, said } from "./dom.js";
import { notify } from "./frame.js";
import { STATES, knownPartners, partnerName, pill, time, title } from "./plain.js";
import { pace, repeat } from "./polling.js";
import { phrase, shortMoment, t } from "./words.js";

const PAGE = 25;
let kept = null; // what was on the page when it was left: a way back finds it as it was

export function forget() {
  kept = null;
}

export async function show(main, { signal, query }) {
  title(t("nav.leads"));
  const filters = { status: query.get("status") ?? "", source: query.get("source") ?? "", partner: query.get("partner") ?? "" };
  const address = JSON.stringify(filters);
  if (kept?.address !== address) kept = { address, phone: kept?.phone ?? "", leads: [], fresh: [], cursor: null, opened: null, isNew: true };
  const list = kept;
  const rows = el("ol", { class: "rows", id: "rows", "aria-label": t("nav.leads") });
  const above = el("div", { role: "status", "aria-live": "polite", class: "above" });
  const below = el("div", { class: "below" });
  const wanted = () => ({ ...filters, phone: list.phone, limit: PAGE });

  const begin = async () => {
    fill(below, el("p", { class: "muted" }, t("loading")));
    list.fresh = [];
    try {
      const page = await api.leads(wanted(), signal);
      Object.assign(list, { leads: page.leads, cursor: page.cursor, isNew: false });
      draw();
    } catch (error) {
      if (signal.aborted) return;
      fill(rows);
      fill(above);
      fill(below, el("p", { class: "wrong", role: "alert" }, why(error)));
    }
  };
  const more = async (event) => {
    event.target.disabled = true;
    try {
      const page = await api.leads({ ...wanted(), cursor: list.cursor }, signal);
      const known = new Set(list.leads.map((lead) => lead.lead_id));
      const added = page.leads.filter((lead) => !known.has(lead.lead_id));
      list.leads.push(...added);
      list.cursor = page.cursor;
      put(rows, added.map(row));
      foot();
      if (added.length) [...rows.children].at(-added.length).querySelector("a").focus({ preventScroll: true });
      else below.querySelector("button")?.focus();
    } catch (error) {
      if (!signal.aborted) notify(why(error));
      event.target.disabled = false;
    }
  };
  const draw = () => {
    fill(rows, list.leads.map(row));
    foot();
    announce();
  };
  const foot = () => {
    const count = el("p", { class: "muted", id: "count" }, t(list.cursor ? "list.so_far" : "list.all", { n: list.leads.length }));
    const empty = list.leads.length === 0 && !list.cursor;
    fill(below, empty ? el("p", { class: "empty" }, t("list.empty")) : count, list.cursor && el("button", { type: "button", id: "more", onclick: more }, t("list.more")));
  };
  const announce = () => {
    const n = list.fresh.length;
    if (above.dataset.n === String(n)) return;
    above.dataset.n = n;
    fill(above, n > 0 && el("button", { type: "button", id: "show-new", class: "fresh", onclick: showFresh }, t(n >= PAGE ? "list.many_new" : "list.new", { n })));
  };
  const showFresh = () => {
    if (list.fresh.length >= PAGE) return begin().then(() => rows.querySelector("a")?.focus());
    const added = list.fresh;
    list.leads.unshift(...added);
    list.fresh = [];
    rows.prepend(...added.map((lead) => row(lead, true)));
    announce();
    foot();
    rows.querySelector("a")?.focus();
  };
  const look = async () => {
    const asked = JSON.stringify(wanted());
    const page = await api.leads(wanted(), signal);
    if (asked !== JSON.stringify(wanted()) || list.isNew) return;
    const known = new Map(list.leads.map((lead, place) => [lead.lead_id, place]));
    list.fresh = page.leads.filter((lead) => !known.has(lead.lead_id) && isNewer(lead, list.leads[0]));
    for (const lead of page.leads) {
      const place = known.get(lead.lead_id);
      if (place === undefined || JSON.stringify(list.leads[place]) === JSON.stringify(lead)) continue;
      list.leads[place] = lead;
      const link = rows.children[place]?.querySelector("a");
      if (link) fill(link, cells(lead));
    }
    announce();
  };
  const find = (phone) => {
    list.phone = phone.trim();
    list.isNew = true;
    return begin();
  };

  fill(
    main,
    el("div", { class: "heading" }, el("h1", { tabindex: "-1" }, t("nav.leads")), exporter(wanted, signal)),
    filterBar(filters, list, find),
    above,
    rows,
    below,
  );
  if (list.isNew) await begin();
  else {
    draw();
    const link = [...rows.querySelectorAll("a")].find((one) => one.hash === list.opened);
    link?.focus({ preventScroll: true });
    link?.scrollIntoView({ block: "center" });
  }
  if (query.has("search")) document.getElementById("phone").focus();
  rows.addEventListener("click", (event) => (list.opened = event.target.closest("a")?.hash ?? null));
  repeat(pace.list, signal, look);
}

function isNewer(lead, newest) {
  return newest === undefined || lead.received_at >= newest.received_at;
}

function row(lead, isFresh = false) {
  return el("li", { class: isFresh ? "fresh" : null }, el("a", { href: `#/leads/${lead.lead_id}`, "data-row": true }, cells(lead)));
}

function cells(lead) {
  const name = lead.erased_at ? el("em", {}, t("lead.erased")) : lead.person?.full_name ? said(lead.person.full_name, { cut: 80 }) : "–";
  const partners = Object.keys(lead.deliveries).map(partnerName);
  return [
    el("span", { class: "who" }, el("strong", {}, name), el("span", { class: "muted" }, said(lead.person?.phone ?? ""))),
    el("span", { class: "where muted" }, said(lead.source, { cut: 40 }), " → ", said(partners.join(", ") || "–", { cut: 60 })),
    el("span", { class: "state" }, pill(lead.status)),
    el("span", { class: "when muted" }, time(lead.received_at, { short: shortMoment })),
  ];
}

function filterBar(filters, list, find) {
  const go = (changes) => {
    const next = new URLSearchParams(Object.entries({ ...filters, ...changes }).filter(([, value]) => value));
    location.hash = `#/leads${next.size ? `?${next}` : ""}`;
  };
  const choice = (name, options) => {
    const select = el("select", { id: `filter-${name}`, onchange: (event) => go({ [name]: event.target.value }) }, el("option", { value: "" }, t("list.any")), options);
    select.value = filters[name];
    return el("div", {}, el("label", { for: `filter-${name}` }, t(`list.${name}`)), select);
  };
  const option = (value, text) => el("option", { value }, text);
  const sources = [...new Set([...list.leads.map((lead) => lead.source), filters.source].filter(Boolean))].sort();
  const source = el("input", { id: "filter-source", list: "sources", value: filters.source, autocomplete: "off", spellcheck: "false", onchange: (event) => go({ source: event.target.value.trim() }) });
  const partners = [...new Set([...knownPartners(), filters.partner].filter(Boolean))];
  const phone = el("input", { id: "phone", type: "search", inputmode: "tel", autocomplete: "off", value: list.phone, placeholder: "+380…" });
  const submit = (event) => {
    event.preventDefault();
    find(phone.value);
  };
  return el(
    "form",
    { class: "filters", role: "search", onsubmit: submit },
    el("div", { class: "phone" }, el("label", { for: "phone" }, t("list.phone")), el("div", { class: "joined" }, phone, el("button", { type: "submit" }, t("list.find")))),
    choice("status", STATES.map((state) => option(state, t(`state.${state}`)))),
    el("div", {}, el("label", { for: "filter-source" }, t("list.source")), source, el("datalist", { id: "sources" }, sources.map((one) => option(one)))),
    choice("partner", partners.map((one) => option(one, partnerName(one)))),
    (list.phone || Object.values(filters).some(Boolean)) &&
      el("button", { type: "button", class: "quiet", onclick: () => { forget(); location.hash === "#/leads" ? find("") .then(() => (phone.value = "")) : (location.hash = "#/leads"); } }, t("list.clear")),
  );
}

function exporter(wanted, signal) {
  const progress = el("span", { class: "muted", role: "status" });
  const run = async (event) => {
    const { target } = event;
    target.disabled = true;
    try {
      const leads = await collect(wanted(), signal, (n) => fill(progress, phrase("csv.so_far", { n })));
      save(`leads-${new Date().toISOString().slice(0, 10)}.csv`, table(leads));
      fill(progress, t("csv.done", { n: leads.length }));
    } catch (error) {
      if (!signal.aborted) fill(progress, why(error));
    } finally {
      target.disabled = false;
    }
  };
  return el("div", { class: "export" }, progress, el("button", { type: "button", id: "export", onclick: run }, t("csv.export")));
}
