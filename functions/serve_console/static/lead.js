// One lead: the person, its deliveries with their actions, the timeline, the messages, the postbacks.

import { api, errorMessage } from "./api.js";
import { deliveryActions, erasePerson, resendPostback, sendToPartner, writeMessage } from "./actions.js";
import { personValue, withCopy } from "./contact.js";
import { ANSWERS, answerList, correctionSection, isRetried } from "./correction.js";
import { el, fill, isolate, refill, whileBusy } from "./dom.js";
import { notify } from "./layout.js";
import { idFormat, knownPartners, partnerName } from "./partners.js";
import { deliveryPill, errorExplained, facts, fieldName, lastError, leadLink, leadPills, loanFacts, namedErrors, pill, sourceName, time, timeAgo, title, toneOfState, waiting } from "./labels.js";
import { INTERVALS, loadAndPoll } from "./polling.js";
import { renderEntry, toneOf } from "./timeline.js";
import { hasText, phrase, t } from "./words.js";

const DATA = ["person", "loan", "trading", "consent", "utm", "ids", "warnings", "problems", "answers", "newer_answers", "erased_at"]; // what a correction changes

export async function show(main, { signal, id }) {
  title(t("lead.title"));
  fill(main, el("p", { class: "muted" }, t("loading")));
  let lead;
  let revealed = null; // the lead with unmasked personal data, after the operator has revealed it
  const head = el("div", { class: "heading" });
  const parts = Object.fromEntries(["person", "deliveries", "timeline", "messages", "feedback", "end"].map((name) => [name, el("section", { class: name, "aria-labelledby": `${name}-heading` })]));

  const draw = (next) => {
    const before = lead;
    lead = next;
    const changed = (...names) => before === undefined || names.some((name) => JSON.stringify(before[name]) !== JSON.stringify(lead[name]));
    if (changed(...DATA)) revealed = null; // it is outdated
    if (changed("status", "person")) refill(head, heading(lead));
    if (changed(...DATA)) refill(parts.person, person(lead, revealed, reveal));
    if (changed("status", "deliveries", "person", "fetch", "erased_at")) refill(parts.deliveries, deliveries(lead, done));
    if (changed("status", "deliveries", ...DATA)) correction.draw(lead);
    if (changed("timeline")) refill(parts.timeline, timeline(lead));
    if (changed("messages", ...DATA)) refill(parts.messages, messages(lead, revealed, done));
    if (changed("feedback", "person", "erased_at")) refill(parts.feedback, lead.feedback.length ? feedback(lead, done) : null);
    if (changed("person", "erased_at")) refill(parts.end, lead.erased_at ? null : erasure(lead, done));
  };
  const load = async () => draw(await api.lead(id, signal));
  const reload = () => load().catch(() => {}); // the next poll loads it
  const done = async (result, text) => {
    if (result === null) return;
    if (!(result instanceof Error)) notify(text);
    await reload();
    if (!main.contains(document.activeElement)) main.querySelector("h1")?.focus();
  };
  const showRevealed = (whole) => {
    revealed = whole;
    refill(parts.person, person(lead, revealed, reveal));
    refill(parts.messages, messages(lead, revealed, done));
  };
  const reveal = async () => {
    if (revealed) return revealed;
    try {
      const whole = await api.reveal(id);
      showRevealed(whole);
      draw({ ...lead, timeline: whole.timeline });
      notify(t("lead.revealed"));
      document.getElementById("person-heading").focus();
      return whole;
    } catch (error) {
      notify(errorMessage(error));
      return null;
    }
  };
  const corrected = async (whole) => {
    notify(resultOf(whole));
    await reload();
    showRevealed(whole);
    document.getElementById("deliveries-heading").focus();
  };
  const correction = correctionSection(id, { reveal, corrected, refresh: reload });

  const view = el("div", { class: "columns" },
    el("div", {}, parts.deliveries, correction.section),
    el("div", { class: "aside" }, parts.person, parts.messages, parts.feedback),
    el("div", {}, parts.timeline),
    el("div", {}, parts.end));
  const loadAndShow = async () => {
    await load();
    if (!view.isConnected) fill(main, back(), head, view);
  };
  await loadAndPoll(INTERVALS.lead, signal, loadAndShow, (error) =>
    fill(main, el("h1", { tabindex: "-1" }, t("lead.title")), el("p", { class: "problem", role: "alert" }, errorMessage(error)), back()));
}

function back() {
  return el("p", { class: "back" }, el("a", { href: "#/leads" }, "← ", t("nav.leads")));
}

function heading(lead) {
  const name = lead.erased_at ? t("lead.erased") : isolate(lead.person?.full_name || "–", { cut: 120 });
  title(lead.erased_at ? t("lead.erased") : lead.person?.full_name?.slice(0, 60));
  return [
    el("div", {},
      el("h1", { tabindex: "-1", "data-key": "h1" }, name),
      el("p", { class: "muted" }, phrase("lead.received_from", { source: el("span", {}, sourceName(lead.source)), time: time(lead.received_at) }), " · ", withCopy(el("code", {}, lead.lead_id), lead.lead_id, "lead", t("lead.id"))),
    ),
    el("div", {}, leadPills(lead)),
  ];
}

function person(lead, revealed, reveal) {
  const shown = revealed && !lead.erased_at ? revealed : lead;
  const warnings = lead.warnings ?? [];
  return [
    el("h2", { id: "person-heading", tabindex: "-1", "data-key": "person" }, t("lead.person")),
    lead.erased_at && el("p", {}, phrase("lead.erased_at", { time: time(lead.erased_at) })),
    facts([
      ...Object.entries(shown.person ?? {}).map(([name, value]) => [fieldName(name), value && personValue(name, value, shown === revealed)]),
      ...loanFacts(shown.loan ?? {}),
      ...Object.entries({ ...shown.trading, ...shown.consent }).map(([name, value]) => [fieldName(name), isolate(value)]),
    ]),
    marketing(shown),
    warnings.length > 0 && el("ul", { class: "warnings" }, namedErrors(warnings).map((one) => el("li", {}, one))),
    ANSWERS.map((name) => Object.keys(shown[name]).length > 0
      && el("details", { "data-key": name }, el("summary", {}, t(`correction.${name}`)), answerList(shown[name]))),
    !lead.erased_at && !revealed && [
      el("button", { type: "button", id: "reveal", "data-key": "reveal", onclick: (event) => whileBusy(event.currentTarget, reveal), "aria-describedby": "reveal-hint" }, t("lead.reveal")),
      el("p", { class: "muted small", id: "reveal-hint" }, t("lead.reveal_hint")),
    ],
  ];
}

// Tags and ids have the names that trackers use.
function marketing({ utm, ids }) {
  const values = [...Object.entries(utm ?? {}), ...Object.entries(ids ?? {})];
  if (values.length === 0) return null;
  return [el("h3", { "data-key": "marketing" }, t("lead.marketing")), facts(values.map((pair) => pair.map((text) => isolate(text))))];
}

// What a correction has led to.
function resultOf(lead) {
  const states = Object.entries(lead.deliveries);
  const waiting = states.filter(([, one]) => one.state === "received").map(([partner]) => partnerName(partner));
  if (lead.status === "incomplete") return t("correction.done_incomplete");
  if (waiting.length) return t("correction.done_sent", { partners: waiting.join(", ") });
  return t(states.some(([, one]) => isRetried(one)) ? "correction.done_retry" : "correction.done");
}

function deliveries(lead, done) {
  const all = Object.entries(lead.deliveries);
  return [
    el("h2", { id: "deliveries-heading", tabindex: "-1", "data-key": "deliveries" }, t("lead.deliveries")),
    lead.fetch && lead.fetch.state !== "fetched" && el("article", { class: `card${lead.fetch.state === "failed" ? " stuck bad" : ""}` },
      el("p", {}, t(`lead.fetch.${lead.fetch.state}`)),
      lead.fetch.last_error && errorExplained(lastError(lead.fetch), "fetch"),
      lead.fetch.next_attempt_at && el("p", { class: "muted small" }, t("delivery.next"), ": ", time(lead.fetch.next_attempt_at))),
    lead.status === "incomplete" && el("article", { class: "card stuck warn" },
      el("p", {}, el("strong", {}, t("explanation.incomplete"))),
      el("p", {}, t("advice.incomplete"))),
    all.length === 0 && !lead.fetch && lead.status !== "incomplete" && el("p", { class: "muted" }, t("lead.no_deliveries")),
    all.map(([partner, delivery]) => card(lead, partner, delivery, done)),
    canBeSent(lead) && el("button", { type: "button", id: "send", "data-key": "send", onclick: () => sendToPartner(lead, done) }, t("send.open")),
  ];
}

function canBeSent(lead) {
  return !lead.erased_at && (!lead.fetch || lead.fetch.state === "fetched") && knownPartners().some((one) => !(one in lead.deliveries));
}

function card(lead, partner, delivery, done) {
  const needsCheck = Boolean(delivery.attention) && !lead.erased_at;
  const needsOperator = needsCheck || (["unknown", "failed", "rejected"].includes(delivery.state) && !lead.erased_at);
  const wait = waiting(delivery);
  const { field: idField } = idFormat(partner);
  const created = delivery.deal_id ?? delivery.account_uuid;
  const text = (kind) => (needsCheck ? attentionText(delivery.attention, kind) : t(`${kind}.${wait ? "waiting" : delivery.state}`));
  const actions = lead.erased_at ? [] : deliveryActions(lead, partner, delivery, done);
  return el(
    "article",
    { class: `card delivery${needsOperator ? ` stuck ${needsCheck ? "bad" : toneOfState(delivery.state)}` : ""}`, "data-partner": partner },
    el("div", { class: "heading" }, el("h3", {}, isolate(partnerName(partner))), deliveryPill(delivery)),
    el("div", { class: "advice" },
      el("p", {}, el("strong", {}, wait ?? text("explanation"))),
      delivery.last_error && errorExplained(lastError(delivery), partner),
      el("p", {}, text("advice")),
      actions.length > 0 && el("div", { class: "buttons" }, actions),
    ),
    facts([
      [t("delivery.status"), delivery.partner_status && isolate(delivery.partner_status)],
      [t(`delivery.${idField}`), created !== null && withCopy(isolate(created), String(created), `${partner}-id`, t(`delivery.${idField}`))],
      [t("delivery.submitted_at"), delivery.submitted_at && time(delivery.submitted_at)],
      [t("delivery.settled_at"), delivery.settled_at && time(delivery.settled_at)],
      [t("delivery.attempts"), String(delivery.attempts)],
      [t("delivery.next"), delivery.next_attempt_at && !wait && time(delivery.next_attempt_at)],
      [t("delivery.repeat_of"), delivery.repeat_of && leadLink(delivery.repeat_of)],
    ]),
  );
}

// The text for the code in a delivery's `attention`.
function attentionText(code, kind) {
  return hasText(`${kind}.${code}`) ? t(`${kind}.${code}`) : isolate(code);
}

function timeline(lead) {
  return [
    el("h2", { id: "timeline-heading" }, t("lead.timeline")),
    el("ol", { class: "entries" }, lead.timeline.toReversed().map((entry) =>
      el("li", { class: toneOf(entry) }, el("div", {}, renderEntry(entry)), el("div", { class: "muted small" }, time(entry.at), " · ", timeAgo(entry.at))),
    )),
  ];
}

function messages(lead, revealed, done) {
  const texts = new Map((revealed?.messages ?? []).map((message) => [message.message_id, message.text]));
  return [
    el("h2", { id: "messages-heading" }, t("lead.messages")),
    lead.messages.length === 0 && el("p", { class: "muted" }, t("lead.no_messages")),
    el("ul", { class: "messages" }, lead.messages.toReversed().map((message) => {
      const text = texts.get(message.message_id);
      return el("li", {},
        el("div", { class: "heading" }, el("strong", {}, message.kind === "operator" ? t("message.operator") : isolate(message.subject)), pill(message.state, "message")),
        text && el("p", {}, isolate(text, { lines: true })),
        message.last_error && errorExplained(lastError(message), message.message_id),
        el("p", { class: "muted small" }, time(message.sent_at ?? message.created_at)),
      );
    })),
    !lead.erased_at && el("button", { type: "button", id: "write", "data-key": "write", onclick: (event) => writeMessage(lead, done, event.currentTarget) }, t("write.open")),
  ];
}

function feedback(lead, done) {
  const canResend = (postback) => !lead.erased_at && ["failed", "skipped", "accepted"].includes(postback.state);
  return [
    el("h2", { id: "feedback-heading" }, t("lead.feedback")),
    el("ul", {}, lead.feedback.toReversed().map((postback) =>
      el("li", {},
        el("div", { class: "heading" }, el("strong", {}, isolate(`${postback.tracker}: ${postback.status}`)), pill(postback.state, "postback")),
        postback.last_error && errorExplained(lastError(postback), postback.event_id),
        el("p", { class: "muted small" }, time(postback.accepted_at ?? postback.created_at)),
        canResend(postback) && el("button", { type: "button", "data-key": `resend-${postback.event_id}`, class: "quiet", onclick: () => resendPostback(lead, postback, done) }, t("postback_resend.open")),
      ),
    )),
  ];
}

function erasure(lead, done) {
  return [
    el("h2", { id: "end-heading" }, t("erase.heading")),
    el("p", { class: "muted small" }, t("erase.hint")),
    el("button", { type: "button", id: "erase", "data-key": "erase", class: "danger quiet", onclick: () => erasePerson(lead, done) }, t("erase.open")),
  ];
}
