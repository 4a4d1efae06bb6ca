// The inbox: what needs a person, grouped by partner or source and reason; and the leads of one group.

import { api, errorMessage } from "./api.js";
import { letterSections } from "./dead_letters.js";
import { confirm, personOf } from "./dialog.js";
import { el, fill, isolate, refill, whileBusy } from "./dom.js";
import { notify } from "./layout.js";
import { row } from "./list.js";
import { fieldNames, meaningOf, namedErrors, sourceName, time, timeAgo, title } from "./labels.js";
import { partnerName, queueName } from "./partners.js";
import { INTERVALS, loadAndPoll } from "./polling.js";
import { formatNumber, formatShort, hasText, phrase, t } from "./words.js";

const MAX_CALLS = 20; // of one retry, with up to 200 leads each
const MAX_NOTE = 300; // characters, the API's limit
const MAX_PEOPLE = 5; // that a dialog names
const WITHOUT_LEADS = ["partner", "source", "technical"]; // kinds of groups
const HOUR = 3_600_000; // milliseconds
const SNOOZES = { hour: 1, four_hours: 4, day: 24, week: 7 * 24 }; // hours

export async function loadGroups(partner, signal) {
  const { groups } = await api.inbox(signal);
  return groups.filter((group) => !partner || group.partner === partner);
}

// The groups as a list; the snoozed ones are below it. `done` is called after an action.
export function groupList(groups, done) {
  const [snoozed, awake] = [groups.filter(isSnoozed), groups.filter((group) => !isSnoozed(group))];
  return [
    awake.length
      ? el("ul", { class: "groups", id: "inbox" }, awake.map((group) => item(group, done)))
      : el("p", { class: "card all-clear", id: "all-clear" }, el("span", { "aria-hidden": "true", class: "sign" }, "✓"), " ", t("attention.none")),
    snoozed.length > 0 && el("details", { class: "snoozed", "data-key": "snoozed" },
      el("summary", {}, t("inbox.snoozed", { n: snoozed.length })),
      el("ul", { class: "groups" }, snoozed.map((group) => item(group, done)))),
  ];
}

export async function show(main, { signal, id: key }) {
  title(t("attention.heading"));
  const [about, leads] = [el("div", { class: "attention" }, el("p", { class: "muted" }, t("loading"))), el("div", { class: "queues" })];
  let seen = null;
  const load = async () => {
    const isOfLetters = key.startsWith("dead_letter.");
    const [view, found] = await Promise.all([api.inboxGroup(key, signal), isOfLetters ? api.deadLetters(signal) : null]);
    const next = JSON.stringify([view, found]);
    if (seen === next) return;
    seen = next;
    const [group] = view.groups;
    refill(about, group ? el("ul", { class: "groups" }, item(group, done)) : el("p", { class: "card empty" }, t("inbox.solved")));
    const letters = (found?.dead_letters ?? []).filter((letter) => letter.group === key);
    refill(leads, letters.length ? letterSections(letters, done, { isGroup: true })
      : [view.leads.length > 0 && el("ol", { class: "rows", id: "rows", "aria-label": t("nav.leads") }, view.leads.map((lead) => row(lead))),
        view.left_out > 0 && el("p", { class: "muted" }, t("inbox.left_out", { n: view.left_out }))]);
  };
  const done = async (result, text) => {
    if (result === null) return;
    if (!(result instanceof Error)) notify(text(result));
    await load().catch(() => {});
    if (!main.contains(document.activeElement)) main.querySelector("h1").focus();
  };
  fill(
    main,
    el("p", { class: "back" }, el("a", { href: "#/" }, t("nav.overview"))),
    el("h1", { tabindex: "-1" }, t("attention.heading")),
    about,
    leads,
  );
  await loadAndPoll(INTERVALS.overview, signal, load, (error) => fill(about, el("p", { class: "problem", role: "alert" }, errorMessage(error))));
}

function isSnoozed(group) {
  return group.snoozed_until !== null && new Date(group.snoozed_until) > new Date();
}

function countOf(group) {
  return `${formatNumber(group.count)}${group.is_complete ? "" : "+"}`;
}

// Where the leads of a group are shown, or what is wrong if it has none.
function addressOf({ kind, key }) {
  switch (kind) {
    case "partner": return "#/partners";
    case "source": return "#/sources";
    case "technical": return "#/dead-letters";
    default: return `#/inbox/${encodeURIComponent(key)}`;
  }
}

function subjectOf({ kind, partner, source, queue }) {
  if (partner) return isolate(partnerName(partner));
  if (kind === "dead_letter" || kind === "technical") return queueName(queue);
  return sourceName(source ?? "");
}

function reasonOf({ kind, code, fields }) {
  switch (kind) {
    case "attention": return hasText(`explanation.${code}`) ? t(`explanation.${code}`) : isolate(code);
    case "incomplete": return namedErrors([{ field: fields[0] ?? "", code }]);
    case "partner": return hasText(`partner.${code}`) ? t(`partner.${code}`) : isolate(code);
    case "source": return t("inbox.source.what");
    default: return meaningOf(code, { fields }) ?? isolate([code ?? "", fieldNames(fields)].filter(Boolean).join(": "));
  }
}

function item(group, done) {
  const { key, kind, first_seen: first, last_seen: last, assignee, note, snoozed_until: until } = group;
  const button = (name, act, kind = null, place = name) => el("button", { type: "button", class: kind, "data-key": `${place}-${key}`, "data-action": name, onclick: (event) => act(group, done, event.currentTarget) }, t(`inbox.${name}.open`, { n: group.count }));
  return el("li", { class: `card group needs-attention ${TONES[kind] ?? ""}`, "data-group": key },
    el("div", {},
      el("p", {}, el("a", { href: addressOf(group), "data-row": true }, el("span", { class: "count" }, countOf(group)), " ", t(`inbox.${kind}`, { n: group.count })),
        " · ", el("strong", {}, subjectOf(group))),
      el("p", { class: kind === "failed" || kind === "unknown" ? "error" : null }, reasonOf(group)),
      el("p", { class: "muted small" }, phrase("inbox.since", { time: time(first, { short: formatShort }) }),
        last !== first && [" · ", phrase("inbox.last", { ago: timeAgo(last) })],
        isSnoozed(group) && [" · ", phrase("inbox.snoozed_until", { time: time(until, { short: formatShort }) })]),
      assignee && el("p", { class: "small" }, phrase("inbox.taken", { operator: assignee.operator }), " ", el("span", { class: "muted" }, timeAgo(assignee.at))),
      note && el("p", { class: "small note" }, isolate(note.text), " ", el("span", { class: "muted" }, "– ", isolate(note.operator), ", ", timeAgo(note.at))),
    ),
    el("div", { class: "buttons" },
      group.retry !== "none" && button(group.retry === "confirm" ? "resend" : "retry", asking(retry), group.retry === "confirm" ? "danger quiet" : "primary"),
      assignee ? button("release", release, null, "assign") : button("take", take, null, "assign"), // each keeps the focus
      isSnoozed(group) ? button("wake", wake, null, "pause") : button("snooze", asking(snooze), null, "pause"),
      button("note", asking(writeNote), "quiet"),
    ),
  );
}

const TONES = { partner: "milder", source: "milder", technical: "milder" };

// An action with a dialog, which names whom it concerns. It is not opened in a view that was shown meanwhile.
function asking(act) {
  return async (group, done, button) => {
    const main = document.getElementById("main");
    const about = await aboutGroup(group, button);
    if (main.isConnected) await act(group, done, about);
  };
}

// The group, and the people of its newest leads as the list shows them.
async function aboutGroup(group, button) {
  const read = () => api.inboxGroup(group.key).catch(() => ({ leads: [] })); // then the group alone is named
  const { leads } = WITHOUT_LEADS.includes(group.kind) ? { leads: [] } : await whileBusy(button, read);
  const others = Math.max(0, group.count - MAX_PEOPLE);
  return el("div", { class: "about" },
    el("p", {}, el("strong", {}, countOf(group), " ", t(`inbox.${group.kind}`, { n: group.count })), " · ", subjectOf(group)),
    leads.length > 0 && el("ul", { class: "plain people" }, leads.slice(0, MAX_PEOPLE).map((lead) => el("li", {}, personOf(lead))),
      others > 0 && el("li", { class: "muted" }, t("inbox.others", { n: others }))));
}

async function mark({ key }, change, text, done) {
  let result;
  try {
    result = await api.markGroup(key, change);
  } catch (error) {
    notify(errorMessage(error));
    result = error;
  }
  await done(result, () => t(text));
}

function take(group, done) {
  return mark(group, { assigned: true }, "inbox.take.done", done);
}

function release(group, done) {
  return mark(group, { assigned: false }, "inbox.release.done", done);
}

function wake(group, done) {
  return mark(group, { snoozed_until: null }, "inbox.wake.done", done);
}

async function snooze(group, done, about) {
  const choice = el("select", { id: "snooze-time", name: "hours" }, Object.entries(SNOOZES).map(([name, hours]) => el("option", { value: hours }, t(`inbox.snooze.${name}`))));
  const result = await confirm({
    heading: t("inbox.snooze.heading"),
    body: [about, el("p", {}, t("inbox.snooze.text")), el("label", { for: "snooze-time" }, t("inbox.snooze.time")), choice],
    label: t("inbox.snooze.confirm"),
    run: (form) => api.markGroup(group.key, { snoozed_until: new Date(Date.now() + Number(form.get("hours")) * HOUR).toISOString() }),
  });
  await done(result, () => t("inbox.snooze.done"));
}

async function writeNote(group, done, about) {
  const field = el("textarea", { id: "group-note", name: "note", rows: 3, maxlength: MAX_NOTE, value: group.note?.text ?? "" });
  const result = await confirm({
    heading: t("inbox.note.heading"),
    body: [about, el("label", { for: "group-note" }, t("inbox.note.label")), field, el("p", { class: "muted small" }, t("inbox.note.hint"))],
    label: t("inbox.note.confirm"),
    run: (form) => api.markGroup(group.key, { note: String(form.get("note")).trim() || null }),
    explain: (error) => (error.errors?.some((one) => one.code === "personal_data") ? t("inbox.note.personal") : errorMessage(error)),
  });
  await done(result, () => t("inbox.note.done"));
}

// Retry all leads of a group. The API says if there are more than it retries with one call. The first answer's `before`
// goes with the next calls: what has changed since the confirmation is not sent again.
async function retry(group, done, about) {
  const isTwice = group.retry === "confirm";
  const key = isTwice ? "inbox.resend" : "inbox.retry";
  const result = await confirm({
    heading: t(`${key}.heading`, { n: group.count }),
    body: [about, el("p", {}, t(`${key}.text`))],
    label: t(`${key}.confirm`, { n: group.count }),
    danger: isTwice,
    run: async () => {
      const sum = { retried: 0, kept: new Map(), hasMore: false };
      const body = isTwice ? { confirm: true } : {};
      for (let call = 0; call < MAX_CALLS; call += 1) {
        const { retried, kept, has_more: hasMore, before } = await api.retryGroup(group.key, body);
        Object.assign(body, { before });
        sum.hasMore = hasMore;
        sum.retried += retried;
        for (const one of kept) sum.kept.set(one.lead_id, one.code);
        if (!hasMore || retried === 0) break;
      }
      return sum;
    },
  });
  await done(result, ({ retried, kept, hasMore }) => [t("inbox.retry.done", { n: retried }), kept.size && t("inbox.retry.kept", { n: kept.size }), hasMore && t("inbox.retry.more")].filter(Boolean).join(" "));
}
