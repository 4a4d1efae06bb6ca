// Dead letters: what could not go on by itself, a queue at a time, and what can be done with it.

import { api, why } from "./api.js";
import { confirm } from "./dialog.js";
import { el, fill, refill, said } from "./dom.js";
import { notify } from "./frame.js";
import { partnerName, partnerOfQueue } from "./partners.js";
import { errorExplained, time, timeAgo, title } from "./plain.js";
import { pace, repeat } from "./polling.js";
import { knows, t } from "./words.js";

export async function show(main, { signal }) {
  title(t("nav.letters"));
  const queues = el("div", { class: "queues" }, el("p", { class: "muted" }, t("loading")));
  let seen = null;
  const load = async () => {
    const { letters } = await api.letters(signal);
    const now = JSON.stringify(letters);
    if (now === seen) return;
    seen = now;
    refill(queues, letters.length ? byQueue(letters, done) : el("p", { class: "card empty" }, t("letters.none")));
  };
  const done = async (result, words) => {
    if (result === null) return;
    if (!(result instanceof Error)) notify(words(result));
    await load().catch(() => {});
    if (!main.contains(document.activeElement)) main.querySelector("h1").focus();
  };
  fill(main, el("h1", { tabindex: "-1" }, t("nav.letters")), el("p", { class: "lead muted" }, t("letters.what")), queues);
  await load().catch((error) => !signal.aborted && fill(queues, el("p", { class: "wrong", role: "alert" }, why(error))));
  repeat(pace.overview, signal, load);
}

export function queueName(queue) {
  const partner = partnerOfQueue(queue);
  if (partner !== null) return t("queue.submit", { partner });
  return knows(`queue.${queue}`) ? t(`queue.${queue}`) : said(queue);
}

function queueExplained(queue) {
  if (partnerOfQueue(queue) !== null) return "queue.submit.what";
  return knows(`queue.${queue}.what`) ? `queue.${queue}.what` : "queue.other.what";
}

function byQueue(letters, done) {
  const groups = Map.groupBy(letters, (letter) => letter.queue);
  return [...groups].map(([queue, some]) => el(
    "section",
    { class: "card queue", "data-queue": queue, "aria-labelledby": `queue-${queue}` },
    el("div", { class: "heading" },
      el("h2", { id: `queue-${queue}` }, queueName(queue), " ", el("span", { class: "count" }, String(some.length))),
      el("button", { type: "button", class: "primary", "data-key": `all-${queue}`, "data-action": "redrive-all", onclick: () => redrive(queue, null, done) }, t("letters.all")),
    ),
    el("p", { class: "muted" }, t(queueExplained(queue))),
    el("ul", { class: "letters" }, some.map((letter) => item(queue, letter, done))),
  ));
}

function item(queue, letter, done) {
  const sent = new Date(letter.sent_at).toISOString();
  const button = (key, act, kind) => el("button", { type: "button", class: kind, "data-key": `${key}-${letter.letter_id}`, "data-action": key, onclick: act }, t(`${key}.open`));
  return el("li", {},
    el("div", {},
      el("p", {}, el("strong", {}, knows(`step.${letter.step}`) ? t(`step.${letter.step}`) : said(letter.step)), letter.partner && [" · ", said(partnerName(letter.partner))]),
      el("p", { class: "error" }, errorExplained({ text: letter.reason, code: letter.reason_code, data: letter.reason_data })),
      el("p", { class: "muted small" }, time(sent), " · ", timeAgo(sent), letter.lead_id?.startsWith("ld_") && [" · ", el("a", { href: `#/leads/${encodeURIComponent(letter.lead_id)}` }, t("letters.lead"))]),
    ),
    el("div", { class: "buttons" }, button("redrive", () => redrive(queue, letter, done), null), button("discard", () => discard(queue, letter, done), "danger quiet")),
  );
}

// What happens to a letter that is put back: ours begin what they name anew, others go to their queue, some are done.
function effect(letter) {
  if (letter === null) return t("redrive.all");
  if (letter.goes_to) return t("redrive.returns");
  return t(letter.lead_id ? "redrive.anew" : "redrive.nothing");
}

async function redrive(queue, letter, done) {
  const result = await confirm({
    heading: t(letter ? "redrive.heading" : "redrive.all_heading"),
    body: [el("p", {}, effect(letter)), el("p", {}, t("redrive.mend_first"))],
    label: t("redrive.do"),
    run: () => api.redrive(queue, letter?.letter_id),
  });
  await done(result, ({ letters, kept }) =>
    [t("redrive.done", { n: letters }), kept.length && t("redrive.kept", { n: kept.length })].filter(Boolean).join(" "));
}

async function discard(queue, letter, done) {
  const result = await confirm({
    heading: t("discard.heading"),
    body: [el("p", {}, t("discard.explained"))],
    label: t("discard.do"),
    danger: true,
    run: () => api.discard(queue, letter.letter_id),
  });
  await done(result, ({ letters }) => t("discard.done", { n: letters }));
}
