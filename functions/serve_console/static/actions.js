// What an operator can do to a lead. Each step asks first and says what will happen.

import { api } from "./api.js";
import { confirm } from "./dialog.js";
import { el } from "./dom.js";
import { idFormat, partnerName } from "./partners.js";
import { phrase, t } from "./words.js";

const LONGEST_TEXT = 4096; // characters, as the API has it

// The buttons that a delivery's state allows. `done` hears what came of a step, and the words for it.
export function ofDelivery(leadId, partner, delivery, done) {
  const button = (key, act, kind = "") =>
    el("button", { type: "button", class: kind || null, "data-key": `${partner}-${key}`, "data-action": key, onclick: act }, t(`${key}.open`));
  // What an operator settled can be settled again; what the partner itself confirmed cannot.
  const again = delivery.settled_at
    ? [button("correct", () => found(leadId, partner, done, "correct")), button("withdraw", () => withdraw(leadId, partner, done), "quiet")]
    : [];
  switch (delivery.state) {
    case "unknown":
      return [
        button("found", () => found(leadId, partner, done), "primary"),
        button("not_created", () => notCreated(leadId, partner, done)),
        button("resend", () => retry(leadId, partner, done, true), "danger quiet"),
      ];
    case "failed":
    case "rejected":
      return [button("retry", () => retry(leadId, partner, done, false), "primary"), ...again];
    case "duplicate":
      return [button("retry", () => retry(leadId, partner, done, false))];
    case "submitted":
      return [button("check", () => check(leadId, partner, done)), ...again];
    default:
      return again;
  }
}

async function ask(key, partner, options, done) {
  const values = { partner: partnerName(partner) };
  const { body = [], ...rest } = options;
  const result = await confirm({
    heading: t(`${key}.heading`, values),
    body: [el("p", {}, phrase(`${key}.explained`, values)), body],
    label: t(`${key}.do`),
    ...rest,
  });
  await done(result, t(`${key}.done`, values));
}

function retry(leadId, partner, done, isConfirmed) {
  const key = isConfirmed ? "resend" : "retry";
  return ask(key, partner, { danger: isConfirmed, run: () => api.retry(leadId, partner, isConfirmed) }, done);
}

function check(leadId, partner, done) {
  return ask("check", partner, { run: () => api.check(leadId, partner) }, done);
}

function notCreated(leadId, partner, done) {
  return ask("not_created", partner, { run: () => api.resolve(leadId, partner, { outcome: "not_created", expected_state: "unknown" }) }, done);
}

function withdraw(leadId, partner, done) {
  return ask("withdraw", partner, { danger: true, run: () => api.resolve(leadId, partner, { outcome: "unknown" }) }, done);
}

// `key` is "found" for an unknown delivery, "correct" for one that an operator has settled.
function found(leadId, partner, done, key = "found") {
  const { field: wanted, isNumber, pattern } = idFormat(partner);
  const field = el("input", {
    id: "found-id", name: "created", required: true, autocomplete: "off", spellcheck: "false",
    inputmode: isNumber ? "numeric" : null, pattern,
    title: t(`delivery.${wanted}`),
  });
  const run = (form) => {
    const created = String(form.get("created")).trim();
    const expected = key === "found" ? { expected_state: "unknown" } : {};
    return api.resolve(leadId, partner, { [wanted]: isNumber ? Number(created) : created, ...expected });
  };
  return ask(key, partner, { body: [el("label", { for: "found-id" }, t(`delivery.${wanted}`)), field], run }, done);
}

export async function write(leadId, done) {
  const field = el("textarea", { id: "message-text", name: "text", required: true, rows: 5, maxlength: LONGEST_TEXT });
  const result = await confirm({
    heading: t("write.heading"),
    body: [el("p", {}, t("write.explained")), el("label", { for: "message-text" }, t("write.text")), field],
    label: t("write.do"),
    run: (form) => api.write(leadId, String(form.get("text")).trim()),
  });
  await done(result, t("write.done"));
}

export async function erase(leadId, done) {
  const result = await confirm({
    heading: t("erase.heading"),
    body: [el("p", {}, t("erase.explained")), el("p", {}, el("strong", {}, t("erase.final")))],
    label: t("erase.do"),
    danger: true,
    run: () => api.erase(leadId),
  });
  await done(result, t("erase.done"));
}
