// One line of a lead's timeline: what happened, at which partner, and the facts of it, from its code and its data.

import { el, said } from "./dom.js";
import { partnerName } from "./partners.js";
import { fieldNames, leadLink, meaningOf, time } from "./plain.js";
import { knows, phrase, t } from "./words.js";

const TONES = {
  submitted: "good", status_changed: "good", message_sent: "good", resolved: "good",
  resolution_withdrawn: "warn", contested: "bad",
  unknown: "bad", failed: "bad", message_unknown: "bad", message_failed: "bad", erased: "bad",
  attempt_failed: "warn", attempt_uncertain: "warn", rejected: "warn", message_no_channel: "warn", revealed: "warn",
  redelivered_changed: "warn",
};

export function toneOf(entry) {
  return TONES[entry.what] ?? "calm";
}

export function entryShown(entry) {
  const values = { partner: entry.partner ? partnerName(entry.partner) : "" };
  const what = knows(`what.${entry.what}`) ? phrase(`what.${entry.what}`, values) : [said(entry.what)];
  const more = detail(entry);
  return [el("span", { class: "what" }, what), more && [" – ", el("span", { class: "detail" }, more)]];
}

// The facts in words; the entry's own text where it has no data, or an error code that has no words.
function detail({ detail: text, data = {} }) {
  const isUnknown = data.error_code && !meaningOf(data.error_code, data);
  const parts = isUnknown ? [] : facts(data);
  return parts.length ? parts : text && said(text);
}

function facts(data) {
  const known = FACTS.filter(([name]) => data[name] !== undefined && data[name] !== null);
  const parts = known.map(([name, show]) => show(data[name], data)).filter((part) => part);
  return parts.flatMap((part, number) => (number ? [" · ", part] : [part]));
}

const told = (key) => (value) => phrase(`detail.${key}`, { value });
const names = (partners) => partners.map(partnerName).join(", ");

// What is shown of an entry's data, in this order.
const FACTS = [
  ["rules", (rules) => rules.map(rule)],
  ["passed_over", (partners) => phrase("detail.passed_over", { value: names(partners) })],
  ["kind", (kind) => ({ operator: t("message.operator"), mirror: t("detail.mirror") })[kind]],
  ["template_id", told("template")],
  ["status", (status, { meaning }) => [said(status), knows(`meaning.${meaning}`) && ` (${t(`meaning.${meaning}`)})`]],
  ["type", said],
  ["offer_name", said],
  ["price", (price, { currency }) => said([price, currency].filter(Boolean).join(" "))],
  ["attempt", told("attempt")],
  ["deal_id", told("deal")],
  ["account_uuid", told("account")],
  ["outcome", (outcome) => outcome === "not_created" && t("detail.not_created")],
  ["previous", (previous) => phrase("detail.previous", { value: el("span", {}, facts(previous)) })],
  ["step", (step) => (knows(`step.${step}`) ? t(`step.${step}`) : said(step))],
  ["error_code", (code, data) => [meaningOf(code, data), data.http_status && ` (HTTP ${data.http_status})`]],
  ["lead_id", (id, { error_code: code }) => code !== "already_linked" && phrase("detail.lead", { value: leadLink(id) })],
  ["fields", (fields, { error_code: code }) => !code && phrase("detail.fields", { value: fieldNames(fields) })],
  ["next_partner", (partner) => phrase("detail.next_partner", { value: partnerName(partner) })],
  ["previous_partner", (partner) => phrase("detail.previous_partner", { value: partnerName(partner) })],
  ["until", (until) => phrase("detail.until", { value: time(until) })],
  ["statuses", told("statuses")],
  ["messages_sent", told("messages_sent")],
  ["messages_skipped", told("messages_skipped")],
  ["operator", (who) => phrase("detail.by", { who })],
];

function rule({ rule: number, partners, unmet }, place) {
  const value = partners ? names(partners) : fieldNames(unmet);
  return [place ? "; " : "", phrase(partners ? "detail.rule" : "detail.rule_unmet", { number: String(number), value })];
}
