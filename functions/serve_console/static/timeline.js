// One timeline entry: the event, the partner and the details, from its code and its data.

import { el, isolate } from "./dom.js";
import { partnerName, partnerNames } from "./partners.js";
import { fieldNames, leadLink, meaningOf, pill, technical, time, toneOfOutcome, waitReason } from "./labels.js";
import { formatAmount, hasText, phrase, t } from "./words.js";

const TONES = {
  submitted: "good", message_sent: "good", postback_accepted: "good", resolved: "good",
  resolution_withdrawn: "warn", contested: "bad",
  unknown: "bad", failed: "bad", message_unknown: "bad", message_failed: "bad", postback_failed: "bad", erased: "bad",
  attempt_failed: "warn", attempt_uncertain: "warn", rejected: "warn", message_no_channel: "warn", revealed: "warn",
  redelivery_differs: "warn", incomplete: "warn",
};

export function toneOf(entry) {
  return entry.data?.warning_code ? "warn" : (TONES[entry.what] ?? toneOfOutcome(entry.data?.outcome) ?? "neutral");
}

export function renderEntry(entry) {
  const values = { partner: entry.partner ? partnerName(entry.partner) : "" };
  const what = hasText(`timeline.${entry.what}`) ? phrase(`timeline.${entry.what}`, values) : [isolate(entry.what)];
  const more = detail(entry);
  const { error_code: code } = entry.data ?? {};
  return [
    el("span", { class: "what" }, what), more && [" – ", el("span", { class: "detail" }, more)],
    code && meaningOf(code, entry.data) && technical(entry.detail, code, `${entry.at}-${entry.what}`),
  ];
}

// The details in words; the entry's own text if it has no data or its error code is not translated.
function detail({ detail: text, data = {} }) {
  const isUnknown = data.error_code && !meaningOf(data.error_code, data);
  const parts = isUnknown ? [] : facts(data);
  return parts.length ? parts : text && isolate(text);
}

function facts(data) {
  const known = FACTS.filter(([name]) => data[name] !== undefined && data[name] !== null);
  const parts = known.map(([name, show]) => show(data[name], data)).filter((part) => part);
  return parts.flatMap((part, number) => (number ? [" · ", part] : [part]));
}

const labelled = (key) => (value) => phrase(`detail.${key}`, { value });

// The parts of an entry's data that are shown, in this order.
const FACTS = [
  ["rules", (rules) => rules.map(rule)],
  ["passed_over", (partners) => phrase("detail.passed_over", { value: partnerNames(partners) })],
  ["kind", (kind) => ({ operator: t("message.operator"), crm_note: t("detail.crm_note") })[kind]],
  ["tracker", labelled("tracker")],
  ["template_id", labelled("template")],
  ["status", (status, { outcome }) => [isolate(status), outcome && [" ", pill(outcome, "outcome")]]],
  ["type", isolate],
  ["offer_name", isolate],
  ["price", (price, { currency }) => isolate(formatAmount(String(price), currency))],
  ["attempt", labelled("attempt")],
  ["deal_id", labelled("deal")],
  ["account_uuid", labelled("account")],
  ["outcome", (outcome) => outcome === "not_created" && t("detail.not_created")],
  ["previous", (previous) => phrase("detail.previous", { value: el("span", {}, facts(previous)) })],
  ["step", (step) => (hasText(`step.${step}`) ? t(`step.${step}`) : isolate(step))],
  ["error_code", meaningOf],
  ["warning_code", meaningOf],
  ["offer", labelled("offer")],
  ["lead_id", (id, { error_code: code }) => code !== "already_linked" && phrase("detail.lead", { value: leadLink(id) })],
  ["fields", (fields, { error_code: code }) => !code && phrase("detail.fields", { value: fieldNames(fields) })],
  ["next_partner", (partner) => phrase("detail.next_partner", { value: partnerName(partner) })],
  ["previous_partner", (partner) => phrase("detail.previous_partner", { value: partnerName(partner) })],
  ["reason", waitReason],
  ["until", (until) => phrase("detail.until", { value: time(until) })],
  ["statuses", labelled("statuses")],
  ["messages_sent", labelled("messages_sent")],
  ["messages_skipped", labelled("messages_skipped")],
  ["operator", (who) => phrase("detail.by", { who })],
];

function rule({ rule: number, partners, unmet }, place) {
  const value = partners ? partnerNames(partners) : fieldNames(unmet);
  return [place ? "; " : "", phrase(partners ? "detail.rule" : "detail.rule_unmet", { number: String(number), value })];
}
