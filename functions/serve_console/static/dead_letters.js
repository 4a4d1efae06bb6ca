// Dead letters and the actions on them. The view shows those without a lead; the inbox shows the others.

import { api, errorMessage } from "./api.js";
import { confirm } from "./dialog.js";
import { el, fill, isolate, refill, whileBusy } from "./dom.js";
import { notify } from "./layout.js";
import { partnerName, partnersOfQueue, queueName } from "./partners.js";
import { errorExplained, time, timeAgo, title } from "./labels.js";
import { INTERVALS, loadAndPoll } from "./polling.js";
import { formatNumber, hasText, t } from "./words.js";

export async function show(main, { signal }) {
  title(t("nav.dead_letters"));
  const queues = el("div", { class: "queues" }, el("p", { class: "muted" }, t("loading")));
  let seen = null;
  const load = async () => {
    const letters = (await api.deadLetters(signal)).dead_letters.filter((letter) => letter.lead_id === null);
    const now = JSON.stringify(letters);
    if (now === seen) return;
    seen = now;
    refill(queues, letters.length ? letterSections(letters, done) : el("p", { class: "card empty" }, t("dead_letters.none")));
  };
  const done = async (result, text) => {
    if (result === null) return;
    if (!(result instanceof Error)) notify(text(result));
    await load().catch(() => {});
    if (!main.contains(document.activeElement)) main.querySelector("h1").focus();
  };
  fill(main, el("h1", { tabindex: "-1" }, t("nav.dead_letters")), el("p", { class: "lead muted" }, t("dead_letters.intro")), queues);
  await loadAndPoll(INTERVALS.overview, signal, load, (error) => fill(queues, el("p", { class: "problem", role: "alert" }, errorMessage(error))));
}

function queueTextKey(queue) {
  if (partnersOfQueue(queue) !== null) return "queue.submit.what";
  return hasText(`queue.${queue}.what`) ? `queue.${queue}.what` : "queue.other.what";
}

// The letters by queue. In a group of the inbox its own button retries all.
export function letterSections(letters, done, { isGroup = false } = {}) {
  const groups = Map.groupBy(letters, (letter) => letter.queue);
  return [...groups].map(([queue, some]) => el(
    "section",
    { class: "card queue", "data-queue": queue, "aria-labelledby": `queue-${queue}` },
    el("div", { class: "heading" },
      el("h2", { id: `queue-${queue}` }, queueName(queue), " ", el("span", { class: "count" }, String(some.length))),
      !isGroup && el("button", { type: "button", class: "primary", "data-key": `all-${queue}`, "data-action": "redrive-all", onclick: () => redriveAll(queue, some, done) }, t("dead_letters.all")),
    ),
    el("p", { class: "muted" }, t(queueTextKey(queue))),
    el("ul", { class: "dead-letters" }, some.map((letter) => item(queue, letter, done))),
  ));
}

function item(queue, letter, done) {
  const sent = new Date(letter.sent_at).toISOString();
  const button = (key, act, kind) => el("button", { type: "button", class: kind, "data-key": `${key}-${letter.dead_letter_id}`, "data-action": key, onclick: act }, t(`${key}.open`));
  return el("li", {},
    el("div", {},
      el("p", {}, el("strong", {}, hasText(`step.${letter.step}`) ? t(`step.${letter.step}`) : isolate(letter.step)), letter.partner && [" · ", isolate(partnerName(letter.partner))]),
      errorExplained({ text: letter.reason, code: letter.reason_code, data: letter.reason_data }, letter.dead_letter_id),
      el("p", { class: "muted small" }, time(sent), " · ", timeAgo(sent), letter.lead_id?.startsWith("ld_") && [" · ", el("a", { href: `#/leads/${encodeURIComponent(letter.lead_id)}` }, t("dead_letters.lead"))]),
    ),
    el("div", { class: "buttons" }, button("redrive", (event) => redrive(queue, letter, done, event.currentTarget), null), button("discard", (event) => discard(queue, letter, done, event.currentTarget), "danger quiet")),
  );
}

// What a redrive does: retry the work, return the message to its queue, or only delete it.
function effectOf(letter) {
  if (letter.destination) return t("redrive.requeues");
  return t(letter.lead_id ? "redrive.retries" : "redrive.removes");
}

// The lead of a dead letter, to name its person; null if there is none.
function leadOf(letter, button) {
  return letter.lead_id?.startsWith("ld_") ? whileBusy(button, () => api.lead(letter.lead_id).catch(() => null)) : null;
}

async function redrive(queue, letter, done, button) {
  const result = await confirm({
    heading: t("redrive.heading"),
    about: await leadOf(letter, button),
    body: [el("p", {}, effectOf(letter)), el("p", {}, t("redrive.fix_first"))],
    label: t("redrive.confirm"),
    run: () => api.redrive(queue, letter.dead_letter_id),
  });
  await done(result, ({ redriven, kept }) => redriveText(redriven, kept.length));
}

// Redrive the letters of a queue, which name no lead: the groups of the inbox that have them.
async function redriveAll(queue, letters, done) {
  const result = await confirm({
    heading: t("redrive.all_heading"),
    body: [el("p", { class: "about" }, el("strong", {}, formatNumber(letters.length), " ", t("inbox.technical", { n: letters.length })), " · ", queueName(queue)), el("p", {}, t("redrive.all")), el("p", {}, t("redrive.fix_first"))],
    label: t("redrive.confirm"),
    run: async () => {
      const answers = [];
      for (const group of new Set(letters.map((letter) => letter.group))) answers.push(await api.retryGroup(group));
      return answers;
    },
  });
  await done(result, (answers) => redriveText(sum(answers, (one) => one.retried), sum(answers, (one) => one.kept.length)));
}

function sum(values, count) {
  return values.reduce((total, one) => total + count(one), 0);
}

function redriveText(redriven, kept) {
  return [t("redrive.done", { n: redriven }), kept && t("redrive.kept", { n: kept })].filter(Boolean).join(" ");
}

async function discard(queue, letter, done, button) {
  const result = await confirm({
    heading: t("discard.heading"),
    about: await leadOf(letter, button),
    body: [el("p", {}, t("discard.text"))],
    label: t("discard.confirm"),
    danger: true,
    run: () => api.discard(queue, letter.dead_letter_id),
  });
  await done(result, ({ discarded }) => t("discard.done", { n: discarded }));
}
