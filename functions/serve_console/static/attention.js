// What needs a person: deliveries that stand still, dead letters, sources from which nothing comes any more.

import { api } from "./api.js";
import { el, said } from "./dom.js";
import { queueName } from "./letters.js";
import { partnerName } from "./partners.js";
import { errorInShort, lastError, timeAgo } from "./plain.js";
import { number, phrase, t } from "./words.js";

const SHOWN = 5;
const COUNTED = 25; // more than these are "25+"
const DAY = 24 * 3600 * 1000; // milliseconds
const LOOKED_BACK = 7; // days in which a source must have had leads to be missed

// Ask for all of it at once.
export async function look(figures, signal) {
  const [unknown, doubt, failed, { letters }, quiet] = await Promise.all([
    api.leads({ status: "unknown", limit: COUNTED }, signal),
    api.leads({ attention: "true", limit: COUNTED }, signal),
    api.leads({ status: "failed", limit: COUNTED }, signal),
    api.letters(signal),
    quietSources(figures, signal),
  ]);
  return { unknown, doubt, failed, letters, quiet };
}

// Sources that had leads in the last days and none within 24 hours, with the time of their last one.
async function quietSources(figures, signal) {
  const since = new Date(Date.now() - LOOKED_BACK * DAY).toISOString().slice(0, 10);
  const today = new Date().toISOString().slice(0, 10);
  const recent = figures.leads.filter((one) => one.day >= since && one.count > 0);
  const loud = new Set(recent.filter((one) => one.day === today).map((one) => one.source));
  const candidates = [...new Set(recent.map((one) => one.source))].filter((source) => !loud.has(source));
  const newest = await Promise.all(candidates.map((source) => api.leads({ source, limit: 1 }, signal)));
  return candidates
    .map((source, place) => ({ source, last: newest[place].leads[0]?.received_at ?? null }))
    .filter(({ last }) => last === null || Date.now() - new Date(last).getTime() > DAY);
}

export function shown({ unknown, doubt, failed, letters, quiet }) {
  const cards = [
    unknown.leads.length > 0 && stuck("unknown", unknown, "status=unknown", (one) => one.state === "unknown"),
    doubt.leads.length > 0 && stuck("doubt", doubt, "attention=true", (one) => one.attention),
    failed.leads.length > 0 && stuck("failed", failed, "status=failed", (one) => one.state === "failed"),
    letters.length > 0 && dead(letters),
    quiet.length > 0 && silent(quiet),
  ].filter(Boolean);
  if (cards.length === 0) return el("p", { class: "card fine", id: "all-well" }, el("span", { "aria-hidden": "true", class: "sign" }, "✓"), " ", t("attention.none"));
  return el("div", { class: "cards" }, cards);
}

function card(id, heading, count, ...content) {
  return el("section", { class: "card alarm", id: `attention-${id}`, "aria-labelledby": `attention-${id}-heading` },
    el("h3", { id: `attention-${id}-heading` }, el("span", { class: "count" }, count), " ", heading), content);
}

function stuck(kind, page, query, isMeant) {
  const n = page.leads.length;
  return card(
    kind,
    t(`attention.${kind}`, { n }),
    page.cursor ? `${number(n)}+` : number(n),
    el("p", { class: "muted" }, t(`attention.${kind}.what`)),
    el("ul", { class: "plain" }, page.leads.slice(0, SHOWN).map((lead) => {
      const [partner, delivery] = Object.entries(lead.deliveries).find(([, one]) => isMeant(one)) ?? [];
      return el("li", {},
        el("a", { href: `#/leads/${lead.lead_id}`, "data-row": true }, said(lead.person?.full_name ?? lead.lead_id, { cut: 60 })),
        el("span", { class: "muted small" }, " ", said(partnerName(partner ?? "")), " · ", timeAgo(lead.received_at)),
        delivery?.last_error && el("span", { class: "error small" }, errorInShort(lastError(delivery))),
      );
    })),
    (n > SHOWN || page.cursor) && el("p", {}, el("a", { href: `#/leads?${query}` }, t("attention.all"))),
  );
}

function dead(letters) {
  const groups = [...Map.groupBy(letters, (letter) => letter.queue)];
  return card(
    "letters",
    t("attention.letters", { n: letters.length }),
    number(letters.length),
    el("p", { class: "muted" }, t("attention.letters.what")),
    el("ul", { class: "plain" }, groups.map(([queue, some]) => el("li", {}, queueName(queue), ` – ${number(some.length)}`))),
    el("p", {}, el("a", { href: "#/dead-letters" }, t("attention.letters.open"))),
  );
}

function silent(quiet) {
  return card(
    "quiet",
    t("attention.quiet", { n: quiet.length }),
    number(quiet.length),
    el("p", { class: "muted" }, t("attention.quiet.what")),
    el("ul", { class: "plain" }, quiet.map(({ source, last }) => el("li", {},
      el("a", { href: `#/leads?${new URLSearchParams({ source })}` }, said(source, { cut: 60 })),
      el("span", { class: "muted small" }, " ", last ? phrase("attention.quiet.last", { ago: timeAgo(last) }) : t("attention.quiet.long")),
    ))),
  );
}
