// The list of leads: newest first, filtered, page by page. New leads wait behind a button above the list.

import { api, errorMessage } from "./api.js";
import { exportButton } from "./csv.js";
import { append, el, fill, isolate } from "./dom.js";
import { countLeads, filterBar, readFilters } from "./filters.js";
import { notify } from "./layout.js";
import { partnerNames } from "./partners.js";
import { leadPills, sourceName, time, title, waiting } from "./labels.js";
import { INTERVALS, loadAndPoll, poll } from "./polling.js";
import { formatShort, t } from "./words.js";

const PAGE = 25;
const MAX_PAGES = 4; // of the API that are read for one page of rare matches
let kept = null; // the list as it was left, for the way back from a lead

export function reset() {
  kept = null;
}

export async function show(main, { signal, query }) {
  title(t("nav.leads"));
  const { filters, search } = readFilters(query);
  const address = JSON.stringify([filters, search]);
  if (kept?.address !== address) kept = { address, filters, search, leads: [], fresh: [], cursor: null, opened: null, isNew: true };
  const list = new List(kept, signal);
  fill(
    main,
    el("div", { class: "heading" }, el("h1", { tabindex: "-1" }, t("nav.leads")), exportButton(() => list.query(), signal)),
    filterBar(kept, reset),
    list.above,
    list.rows,
    list.below,
  );
  const { isNew } = kept;
  if (!isNew) list.draw();
  list.restoreFocus();
  if (query.has("search") || (isNew && search)) document.getElementById("search").focus();
  if (isNew) await loadAndPoll(INTERVALS.list, signal, () => list.refresh(), (error) => list.fail(error));
  else poll(INTERVALS.list, signal, () => list.refresh());
}

// The rows with their header and footer, and the state they are drawn from.
class List {
  constructor(kept, signal) {
    this.kept = kept;
    this.signal = signal;
    this.loads = 0;
    this.above = el("div", { role: "status", "aria-live": "polite", class: "above" });
    this.rows = el("ol", { class: "rows", id: "rows", "aria-label": t("nav.leads"), onclick: (event) => (kept.opened = event.target.closest("a")?.hash ?? null) });
    this.below = el("div", { class: "below" });
  }

  query() {
    return { ...this.kept.filters, search: this.kept.search, limit: PAGE };
  }

  // Reload the list. An answer that arrives after a later load began is dropped.
  async load() {
    const load = ++this.loads;
    fill(this.below, el("p", { class: "muted" }, t("loading")));
    this.kept.fresh = [];
    const { leads, cursor } = await this.read(null);
    if (load !== this.loads) return;
    Object.assign(this.kept, { leads, cursor, isNew: false });
    this.draw();
  }

  // Read a page of the list. If matches are rare, the API returns it in several parts.
  async read(cursor) {
    const leads = [];
    for (let number = 0; number < MAX_PAGES && (number === 0 || cursor) && leads.length < PAGE; number += 1) {
      const page = await api.leads({ ...this.query(), cursor }, this.signal);
      leads.push(...page.leads);
      cursor = page.cursor;
    }
    return { leads, cursor };
  }

  fail(error) {
    fill(this.rows);
    this.announce();
    fill(this.below, el("p", { class: "problem", role: "alert" }, errorMessage(error)));
  }

  draw() {
    fill(this.rows, this.kept.leads.map((lead) => row(lead)));
    this.foot();
    this.announce();
  }

  foot() {
    const { leads, cursor } = this.kept;
    const isEmpty = leads.length === 0 && !cursor;
    const total = el("p", { class: "muted", id: "total" });
    if (!isEmpty && cursor) countLeads(this.kept).then((found) => found && fill(total, t(found.isRecent ? "list.total" : "list.total.days", { n: found.n })));
    fill(
      this.below,
      isEmpty ? el("p", { class: "empty" }, t(this.kept.search ? "list.empty.search" : "list.empty")) : el("p", { class: "muted", id: "count" }, t(cursor ? "list.shown" : "list.all", { n: leads.length })),
      cursor && total,
      cursor && el("button", { type: "button", id: "more", onclick: (event) => this.more(event.target) }, t("list.more")),
    );
  }

  async more(button) {
    button.disabled = true;
    const { loads } = this;
    try {
      const page = await this.read(this.kept.cursor);
      if (loads !== this.loads) return; // a search replaced the list
      const known = new Set(this.kept.leads.map((lead) => lead.lead_id));
      const added = page.leads.filter((lead) => !known.has(lead.lead_id)).map((lead) => [lead, row(lead)]);
      this.kept.leads.push(...added.map(([lead]) => lead));
      this.kept.cursor = page.cursor;
      append(this.rows, added.map(([, made]) => made));
      this.foot();
      const next = added.length ? added[0][1].querySelector("a") : this.below.querySelector("button");
      next?.focus({ preventScroll: true });
    } catch (error) {
      if (!this.signal.aborted) notify(errorMessage(error));
      button.disabled = false;
    }
  }

  // Load the first page again. New leads wait above the list; changed leads are updated in place.
  async refresh() {
    if (this.kept.isNew) return this.load();
    const { loads } = this;
    const page = await api.leads(this.query(), this.signal);
    if (loads !== this.loads) return; // the list is being replaced
    const { leads } = this.kept;
    const places = new Map(leads.map((lead, place) => [lead.lead_id, place]));
    this.kept.fresh = page.leads.filter((lead) => !places.has(lead.lead_id) && isNewer(lead, leads[0]));
    for (const lead of page.leads) {
      const place = places.get(lead.lead_id);
      if (place === undefined || JSON.stringify(leads[place]) === JSON.stringify(lead)) continue;
      leads[place] = lead;
      fill(this.rows.children[place].querySelector("a"), cells(lead));
    }
    this.announce();
  }

  announce() {
    const n = this.kept.fresh.length;
    if (this.above.dataset.n === String(n)) return; // announced already
    this.above.dataset.n = n;
    const key = n >= PAGE ? "list.many_new" : "list.new";
    fill(this.above, n > 0 && el("button", { type: "button", id: "show-new", class: "fresh", onclick: () => this.showFresh() }, t(key, { n })));
  }

  async showFresh() {
    const { fresh, leads } = this.kept;
    if (fresh.length >= PAGE) await this.load().catch((error) => this.fail(error)); // there may be more leads between these and the list
    else {
      leads.unshift(...fresh);
      this.rows.prepend(...fresh.map((lead) => row(lead, true)));
      this.kept.fresh = [];
      this.foot();
      this.announce();
    }
    this.rows.querySelector("a")?.focus();
  }

  // After the way back from a lead, focus its row again.
  restoreFocus() {
    const link = [...this.rows.querySelectorAll("a")].find((one) => one.hash === this.kept.opened);
    link?.focus({ preventScroll: true });
    link?.scrollIntoView({ block: "center" });
  }
}

function isNewer(lead, newest) {
  return newest === undefined || lead.received_at >= newest.received_at;
}

export function row(lead, isFresh = false) {
  return el("li", { class: isFresh ? "fresh" : null }, el("a", { href: `#/leads/${lead.lead_id}`, "data-row": true }, cells(lead)));
}

function cells(lead) {
  const name = lead.erased_at ? el("em", {}, t("lead.erased")) : lead.person?.full_name ? isolate(lead.person.full_name, { cut: 80 }) : "–";
  const deliveries = Object.values(lead.deliveries);
  const wait = deliveries.map(waiting).find(Boolean);
  return [
    el("span", { class: "who" }, el("strong", {}, name), el("span", { class: "muted" }, isolate(lead.person?.phone ?? ""))),
    el("span", { class: "where muted" }, sourceName(lead.source), " → ", isolate(partnerNames(Object.keys(lead.deliveries)) || "–", { cut: 60 }), wait && el("span", { class: "wait" }, wait)),
    el("span", { class: "state" }, leadPills(lead), deliveries.some((one) => one.attention) && [" ", el("span", { class: "pill bad" }, t("list.attention"))]),
    el("span", { class: "when muted" }, time(lead.received_at, { short: formatShort })),
  ];
}
