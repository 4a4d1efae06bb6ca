// Labels of states, errors, fields and times in the operator's language.

import { el, isolate, visible } from "./dom.js";
import { formatAmount, formatDateTime, formatOffset, formatRelative, formatShort, hasText, phrase, t } from "./words.js";

export const STATES = ["incomplete", "received", "submitting", "submitted", "closed", "rejected", "duplicate", "skipped", "unknown", "failed"];

// The outcomes of deliveries, in the order of the funnel.
export const OUTCOMES = ["new", "in_progress", "approved", "issued", "active", "declined", "cancelled"];

// The stages of the funnel.
export const STAGES = ["submitted", "approved", "issued"];

const SELF_CHECK = "self-check"; // the source of the test lead by which a deployment is checked

const TONES = {
  incomplete: "warn", received: "neutral", submitting: "neutral", submitted: "neutral", closed: "neutral", rejected: "warn", duplicate: "neutral",
  unknown: "bad", failed: "bad",
  pending: "neutral", sending: "neutral", sent: "good", no_channel: "warn", skipped: "neutral", accepted: "good",
  "outcome.approved": "good", "outcome.issued": "good", "outcome.active": "good",
  "source.connected": "good", "source.refused": "bad", "source.tested": "neutral", "source.silent": "neutral",
  "partner.open": "good", "partner.paused": "warn", "partner.circuit_open": "bad", "partner.closed": "neutral", "partner.capped": "neutral",
};
const SIGNS = { good: "✓", neutral: "●", warn: "▲", bad: "!" };

export function toneOfState(state) {
  return TONES[state] ?? "neutral";
}

export function pill(state, kind = "state") {
  const tone = TONES[`${kind}.${state}`] ?? toneOfState(state);
  const text = hasText(`${kind}.${state}`) ? t(`${kind}.${state}`) : isolate(state);
  return el("span", { class: `pill ${tone}` }, el("span", { "aria-hidden": "true", class: "sign" }, SIGNS[tone]), text);
}

// The pill of a delivery: its outcome if it has one, else its state.
export function deliveryPill({ state, outcome }) {
  return OUTCOMES.includes(outcome) && ["submitted", "closed"].includes(state) ? pill(outcome, "outcome") : pill(state);
}

// The pills of a lead: that of the delivery which determines its status, with several, of the one that came furthest.
// If this partner does not have the lead, also that of the partner that has it instead.
export function leadPills({ status, deliveries }) {
  const place = ({ outcome }) => (["declined", "cancelled"].includes(outcome) ? -1 : OUTCOMES.indexOf(outcome) + 1);
  const furthest = Object.values(deliveries).filter((one) => one.outcome).sort((a, b) => place(b) - place(a));
  const first = furthest.find((one) => one.state === status);
  if (first) return [deliveryPill(first)];
  const instead = ["rejected", "duplicate", "skipped"].includes(status) && furthest.find((one) => ["submitted", "closed"].includes(one.state));
  return instead ? [pill(status), " ", deliveryPill(instead)] : [pill(status)];
}

// The tone of an outcome, such as "good"; null for an unknown one.
export function toneOfOutcome(outcome) {
  return OUTCOMES.includes(outcome) ? (TONES[`outcome.${outcome}`] ?? "neutral") : null;
}

export function outcomeName(outcome) {
  return hasText(`outcome.${outcome}`) ? t(`outcome.${outcome}`) : isolate(outcome);
}

// A time in the zone of the browser; its title names the offset of the zone, and the time in UTC.
export function time(text, { short = formatDateTime } = {}) {
  return el("time", { datetime: text, title: `${formatDateTime(text)} ${formatOffset(text)} · ${text}` }, short(text));
}

export function timeAgo(text) {
  return time(text, { short: formatRelative });
}

// The last error of a delivery, fetch or message; null if it has none.
export function lastError(item) {
  return item.last_error ? { text: item.last_error, code: item.last_error_code, data: item.last_error_data } : null;
}

// The meaning of the error's code, and its text and code behind a disclosure; the text alone if the code is not translated.
// `key` identifies the disclosure, so that it stays open when the view is drawn again.
export function errorExplained({ text, code, data }, key) {
  const meaning = meaningOf(code, data);
  return el("div", { class: "error" }, meaning ? [el("p", { class: "meaning" }, meaning), technical(text, code, key)] : isolate(text));
}

// What a partner's support or a developer asks for.
export function technical(text, code, key) {
  return el("details", { class: "technical", "data-key": `technical-${key}` }, el("summary", {}, t("technical")), el("code", {}, code), text && [" · ", isolate(text)]);
}

// The meaning of the error's code; its text if the code is not translated.
export function errorInShort({ text, code, data }) {
  return meaningOf(code, data) ?? isolate(text);
}

// The translation of an error code; null if there is none.
export function meaningOf(code, data) {
  const { fields, lead_id: lead } = data ?? {};
  const values = { fields: fieldNames(fields ?? []), lead: lead ? leadLink(lead) : "" };
  return hasText(`error.${code}`) ? phrase(`error.${code}`, values) : null;
}

// The names of fields: of a lead by their paths, of a request without a section.
export function fieldNames(paths) {
  const nameOf = (path) => {
    const name = path.split(".").pop();
    const key = [`request.${path}`, `field.${name}`, `delivery.${name}`].find(hasText);
    return key ? t(key) : name;
  };
  return paths.map(nameOf).join(", ");
}

export function sourceName(source) {
  return source === SELF_CHECK ? t("source.self_check") : isolate(source, { cut: 40 });
}

export function fieldName(name) {
  return hasText(`field.${name}`) ? t(`field.${name}`) : isolate(name);
}

// What is wrong with a field: the text of the code; the API's message if the code is not translated.
export function fieldErrorText({ code, message }) {
  return hasText(`field_error.${code}`) ? phrase(`field_error.${code}`, { message }) : isolate(message ?? code);
}

// Problems or warnings, each with the name of its field.
export function namedErrors(errors) {
  return errors.map((one) => [one.field && [fieldName(one.field.split(".").pop()), ": "], fieldErrorText(one)]);
}

// The loan as it is requested: the amount is in hryvnias, the term in months.
export function loanFacts({ amount, term }) {
  return [
    [t("field.amount"), amount && isolate(formatAmount(amount, "UAH"))],
    [t("field.term"), term && t("term.months", { n: term })],
  ];
}

// The pairs of names and values that have a value, as a list.
export function facts(pairs) {
  const given = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false);
  return given.length ? el("dl", { class: "facts" }, given.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))) : null;
}

// Why a partner gets no leads; null if the code is not translated.
export function waitReason(code) {
  return hasText(`waiting.${code}`) ? t(`waiting.${code}`) : null;
}

// Why a delivery waits for its partner, and until when if that is known; null if it does not.
export function waiting({ waiting_reason: code, waiting_until: until }) {
  if (!code) return null;
  const reason = waitReason(code) ?? code;
  return until && new Date(until) > new Date() ? phrase("waiting.until", { time: time(until, { short: formatShort }), reason }) : phrase("waiting", { reason });
}

// Links to the dry run of each source.
export function sourceLinks(sources) {
  return sources.map((source, place) => [place ? ", " : "", el("a", { href: `#/partners/route?${new URLSearchParams({ source })}`, title: t("dry_run.open") }, isolate(source, { cut: 40 }))]);
}

export function leadLink(id) {
  return el("a", { href: `#/leads/${encodeURIComponent(id)}` }, isolate(id));
}

export function title(text) {
  document.title = text ? `${visible(text)} · leadbridge` : "leadbridge";
}
