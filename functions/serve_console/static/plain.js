// Partners, states and errors in plain words.

import { el, said, visible } from "./dom.js";
import { ago, knows, moment, phrase, t } from "./words.js";

export const STATES = ["received", "submitting", "submitted", "closed", "rejected", "duplicate", "unknown", "failed"];

const TONES = {
  received: "calm", submitting: "calm", submitted: "calm", closed: "good", rejected: "warn", duplicate: "calm",
  unknown: "bad", failed: "bad",
  pending: "calm", sending: "calm", sent: "good", no_channel: "warn", skipped: "calm",
};
const SIGNS = { good: "✓", calm: "●", warn: "▲", bad: "!" };


export function toneOfState(state) {
  return TONES[state] ?? "calm";
}

export function pill(state, kind = "state") {
  const tone = toneOfState(state);
  const text = knows(`${kind}.${state}`) ? t(`${kind}.${state}`) : said(state);
  return el("span", { class: `pill ${tone}` }, el("span", { "aria-hidden": "true", class: "sign" }, SIGNS[tone]), text);
}

export function time(text, { short = null } = {}) {
  return el("time", { datetime: text, title: short ? `${moment(text)} (${text})` : text }, short ? short(text) : moment(text));
}

export function timeAgo(text) {
  return time(text, { short: ago });
}

// The error that an item keeps, or null.
export function lastError(item) {
  return item.last_error ? { text: item.last_error, code: item.last_error_code, data: item.last_error_data } : null;
}

// Why it went wrong: the error's text, and what its code means.
export function errorExplained({ text, code, data }) {
  const meaning = meaningOf(code, data);
  return [said(text), meaning && el("span", { class: "meaning" }, meaning)];
}

// The same in one line: what the code means, or the text where the code has no words.
export function errorInShort({ text, code, data }) {
  return meaningOf(code, data) ?? said(text);
}

// What an error code means; null where it has no words.
export function meaningOf(code, data) {
  const { fields, lead_id: lead } = data ?? {};
  const values = { fields: fieldNames(fields ?? []), lead: lead ? leadLink(lead) : "" };
  return knows(`error.${code}`) ? phrase(`error.${code}`, values) : null;
}

export function fieldNames(paths) {
  return paths.map((path) => path.split(".").pop()).map((name) => (knows(`field.${name}`) ? t(`field.${name}`) : name)).join(", ");
}

export function leadLink(id) {
  return el("a", { href: `#/leads/${encodeURIComponent(id)}` }, said(id));
}

export function title(text) {
  document.title = text ? `${visible(text)} · leadbridge` : "leadbridge";
}
