// The operator's actions on a lead. Each one explains its effect and asks for confirmation.

import { api, errorMessage } from "./api.js";
import { confirm } from "./dialog.js";
import { el, whileBusy } from "./dom.js";
import { idFormat, knownPartners, partnerName, partnerNames } from "./partners.js";
import { fieldNames } from "./labels.js";
import { currentLanguage, phrase, t } from "./words.js";

const MAX_TEXT_LENGTH = 4096; // characters, the API's limit
const POSSIBLY_DELIVERED = ["received", "submitting", "submitted", "closed", "unknown"]; // the partner has the lead or may get it

// The buttons that a delivery's state allows. `done(result, text)` is called after an action.
export function deliveryActions(lead, partner, delivery, done) {
  const button = (key, act, kind = "") =>
    el("button", { type: "button", class: kind || null, "data-key": `${partner}-${key}`, "data-action": key, onclick: act }, t(`${key}.open`));
  // An operator's result can be changed; the partner's own confirmation cannot.
  const corrections = delivery.settled_at
    ? [button("correct", () => markCreated(lead, partner, done, "correct")), button("withdraw", () => withdrawResult(lead, partner, done), "quiet")]
    : [];
  switch (delivery.state) {
    case "unknown":
      return [
        button("created", () => markCreated(lead, partner, done), "primary"),
        button("not_created", () => markNotCreated(lead, partner, done)),
        button("resend", () => retry(lead, partner, done, true), "danger quiet"),
      ];
    case "failed":
    case "rejected":
      return [button("retry", () => retry(lead, partner, done, false), holders(lead, partner).length ? "danger quiet" : "primary"), ...corrections];
    case "duplicate":
      return [button("retry", () => retry(lead, partner, done, false))];
    case "skipped":
      return [button("send_too", () => sendToo(lead, partner, done), "danger quiet")];
    case "submitted":
      return [button("check", () => check(lead, partner, done)), ...corrections];
    default:
      return corrections;
  }
}

async function confirmAction(key, lead, partner, options, done) {
  const values = { partner: partnerName(partner) };
  const { body = [], ...rest } = options;
  const result = await confirm({
    heading: t(`${key}.heading`, values),
    about: lead,
    body: [el("p", {}, phrase(`${key}.text`, values)), body],
    label: t(`${key}.confirm`),
    ...rest,
  });
  await done(result, t(`${key}.done`, values));
}

function retry(lead, partner, done, isConfirmed) {
  const key = isConfirmed ? "resend" : "retry";
  const run = (_, isAnyway) => api.retry(lead.lead_id, partner, isConfirmed || isAnyway);
  const others = holders(lead, partner);
  const body = others.length > 0 && twice(others);
  return confirmAction(key, lead, partner, { body, danger: isConfirmed || others.length > 0, run }, done);
}

// The partners beside one that have the lead or may get it.
function holders(lead, partner) {
  return Object.keys(lead.deliveries).filter((one) => one !== partner && POSSIBLY_DELIVERED.includes(lead.deliveries[one].state));
}

function twice(partners) {
  return el("p", {}, el("strong", {}, phrase("send.twice", { partners: partnerNames(partners) })));
}

// Send the lead to a partner although another one got it instead.
function sendToo(lead, partner, done) {
  return confirmAction("send_too", lead, partner, { danger: true, run: () => api.retry(lead.lead_id, partner, true) }, done);
}

function check(lead, partner, done) {
  return confirmAction("check", lead, partner, { run: () => api.check(lead.lead_id, partner) }, done);
}

function markNotCreated(lead, partner, done) {
  return confirmAction("not_created", lead, partner, { run: () => api.resolve(lead.lead_id, partner, { outcome: "not_created", expected_state: "unknown" }) }, done);
}

function withdrawResult(lead, partner, done) {
  return confirmAction("withdraw", lead, partner, { danger: true, run: () => api.resolve(lead.lead_id, partner, { outcome: "unknown" }) }, done);
}

// `key` is "created" for an unknown delivery, "correct" to change an operator's result.
function markCreated(lead, partner, done, key = "created") {
  const { field: idField, isNumber, pattern } = idFormat(partner);
  const field = el("input", {
    id: "partner-id", name: "created", required: true, autocomplete: "off", spellcheck: "false",
    inputmode: isNumber ? "numeric" : null, pattern,
    title: t(`delivery.${idField}`),
  });
  const run = (form) => {
    const created = String(form.get("created")).trim();
    const expected = key === "created" ? { expected_state: "unknown" } : {};
    return api.resolve(lead.lead_id, partner, { [idField]: isNumber ? Number(created) : created, ...expected });
  };
  return confirmAction(key, lead, partner, { body: [el("label", { for: "partner-id" }, t(`delivery.${idField}`)), field], run }, done);
}

// Give the lead to a partner that has no delivery of it.
export async function sendToPartner(lead, done) {
  const others = knownPartners().filter((one) => !(one in lead.deliveries));
  const having = holders(lead, null);
  const isMoved = having.length > 0 && having.every((one) => lead.deliveries[one].waiting_reason); // the API knows whether one may have it
  const isTwice = having.length > 0 && !isMoved;
  let partner;
  const field = el("select", { id: "send-partner", name: "partner", required: true }, others.map((one) => el("option", { value: one }, partnerName(one))));
  const result = await confirm({
    heading: t("send.heading"),
    about: lead,
    body: [
      el("p", {}, isMoved ? phrase("send.moved", { partners: partnerNames(having) }) : t("send.text")),
      isTwice && twice(having),
      el("label", { for: "send-partner" }, t("list.partner")), field,
    ],
    label: t(isTwice ? "send.confirm_twice" : "send.confirm"),
    danger: isTwice,
    run: (form, isConfirmed) => {
      partner = form.get("partner");
      return api.addPartner(lead.lead_id, partner, isTwice || isConfirmed);
    },
    explain: (error) => (error.status === 422 ? t("error.missing_fields", { fields: fieldNames(error.errors.map((one) => one.field)) }) : errorMessage(error)),
  });
  await done(result, t("send.done", { partner: partnerName(partner) }));
}

export async function resendPostback(lead, postback, done) {
  const result = await confirm({
    heading: t("postback_resend.heading"),
    about: lead,
    body: [el("p", {}, t("postback_resend.text"))],
    label: t("postback_resend.confirm"),
    run: () => api.resendPostback(lead.lead_id, postback.event_id),
  });
  await done(result, t("postback_resend.done"));
}

// The configured templates fill in the text; one that Leeloo holds has no text to change.
export async function writeMessage(lead, done, button) {
  const options = () => api.messageOptions(lead.lead_id).catch(() => ({ channel: null, templates: [] }));
  const { channel, templates } = await whileBusy(button, options);
  const field = el("textarea", { id: "message-text", name: "text", required: true, rows: 5, maxlength: MAX_TEXT_LENGTH });
  let [own, chosen] = ["", undefined];
  const choose = (event) => {
    if (!chosen) own = field.value;
    chosen = templates.find((one) => one.name === event.target.value);
    field.value = chosen ? (chosen.text ?? t("write.at_leeloo")) : own;
    field.disabled = Boolean(chosen?.template_id);
  };
  const label = ({ label: texts, name }) => texts[currentLanguage()] ?? Object.values(texts)[0] ?? name;
  const choice = el("select", { id: "message-template", onchange: choose }, el("option", { value: "" }, t("write.own_text")), templates.map((one) => el("option", { value: one.name }, label(one))));
  const result = await confirm({
    heading: t("write.heading"),
    about: lead,
    body: [
      channel && el("p", { class: `channel ${channel === "none" ? "warn" : "neutral"}` }, t(`write.channel.${channel}`)),
      el("p", {}, t("write.text")),
      templates.length > 0 && el("div", {}, el("label", { for: "message-template" }, t("write.template")), choice),
      el("div", {}, el("label", { for: "message-text" }, t("write.field")), field),
    ],
    label: t("write.confirm"),
    run: () => api.write(lead.lead_id, chosen?.template_id ? { template_id: chosen.template_id, variables: chosen.variables } : { text: field.value.trim() }),
  });
  await done(result, t("write.done"));
}

export async function erasePerson(lead, done) {
  const result = await confirm({
    heading: t("erase.heading"),
    about: lead,
    body: [el("p", {}, t("erase.text")), el("p", {}, el("strong", {}, t("erase.final")))],
    label: t("erase.confirm"),
    danger: true,
    run: () => api.erase(lead.lead_id),
  });
  await done(result, t("erase.done"));
}
