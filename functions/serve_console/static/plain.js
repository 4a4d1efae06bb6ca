// Partners, states, timelines and errors in plain words.

import { el, said, visible } from "./dom.js";
import { partnerName } from "./partners.js";
import { ago, knows, moment, phrase, t } from "./words.js";

export const STATES = ["received", "submitting", "submitted", "closed", "rejected", "duplicate", "unknown", "failed"];

const TONES = {
  received: "calm", submitting: "calm", submitted: "calm", closed: "good", rejected: "warn", duplicate: "calm",
  unknown: "bad", failed: "bad",
  pending: "calm", sending: "calm", sent: "good", no_channel: "warn", skipped: "calm",
};
const SIGNS = { good: "✓", calm: "●", warn: "▲", bad: "!" };

// What our own error texts mean for an operator; the first that fits counts.
const ERRORS = [
  [/same person came/, "same"],
  [/was erased/, "erased"],
  [/operator says/, "not_there"],
  [/operator withdrew/, "withdrawn"],
  [/has already$/, "theirs"],
  [/entered wrongly|in doubt whose deal/, "doubt"],
  [/account (with|of) this e-mail/, "exists"],
  [/password is wrong|e-mail is unknown|private key|public key|credentials|the secret|client or the login|offer or partner id|does not let us/, "credentials"],
  [/token was refused/, "token"],
  [/could not be reached/, "unreachable"],
  [/no answer came back|worker was lost/, "lost"],
  [/does not tell|had already answered/, "unclear"],
  [/slow down|asked us to wait/, "rate"],
  [/refused it|cannot take one of the values|is not valid/, "refused"],
  [/page came back|the answer (lacks|holds)|knows no such thing|no deal is known|lists no status/, "strange"],
];

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

// Why it went wrong: our own text as it is, and what it means.
export function errorExplained(error) {
  const meaning = meaningOf(error);
  return [said(error), meaning && el("span", { class: "meaning" }, meaning)];
}

// The same in one line: what it means, or the text itself where nobody has said that yet.
export function errorInShort(error) {
  return meaningOf(error) ?? said(error);
}

function meaningOf(error) {
  const kind = ERRORS.find(([pattern]) => pattern.test(error))?.[1];
  return kind ? t(`error.${kind}`) : null;
}

// One line of a timeline: what happened, at whose, and what is known of it.
export function entryShown(entry) {
  const values = { partner: entry.partner ? partnerName(entry.partner) : "" };
  const what = knows(`what.${entry.what}`) ? phrase(`what.${entry.what}`, values) : [said(entry.what)];
  const more = entry.detail ? detail(entry) : null;
  return [el("span", { class: "what" }, what), more && [" – ", el("span", { class: "detail" }, more)]];
}

const TONES_OF_ENTRIES = {
  submitted: "good", status_changed: "good", message_sent: "good", resolved: "good",
  resolution_withdrawn: "warn", contested: "bad",
  unknown: "bad", failed: "bad", message_unknown: "bad", message_failed: "bad", erased: "bad",
  attempt_failed: "warn", attempt_uncertain: "warn", rejected: "warn", message_no_channel: "warn", revealed: "warn",
  redelivered_changed: "warn",
};

export function toneOf(entry) {
  return TONES_OF_ENTRIES[entry.what] ?? "calm";
}

const DETAILS = [
  [/^attempt (\d+)$/, "detail.attempt"],
  [/^deal (\d+)$/, "detail.deal"],
  [/^account (\S+)$/, "detail.account"],
  [/^not created$/, "detail.not_created"],
];

function detail(entry) {
  if (entry.what === "falls_back") return null;
  const [, rest, who] = /^(?:(.*), )?by (.*)$/s.exec(entry.detail) ?? [null, entry.detail, null];
  const parts = [];
  if (rest) {
    const known = DETAILS.map(([pattern, key]) => [pattern.exec(rest), key]).find(([match]) => match);
    parts.push(known ? phrase(known[1], { value: known[0][1] }) : errorExplained(rest));
  }
  if (who !== null) parts.push([rest ? ", " : "", phrase("detail.by", { who })]);
  return parts;
}

export function title(text) {
  document.title = text ? `${visible(text)} · leadbridge` : "leadbridge";
}
