// Correct a lead's data: its problems, the form's own answers, and a form to edit the fields.

import { api, errorMessage } from "./api.js";
import { el, fill, isolate, refill } from "./dom.js";
import { notify } from "./layout.js";
import { fieldErrorText, fieldName, namedErrors } from "./labels.js";
import { hasText, t } from "./words.js";

const RETRIED = ["rejected", "failed", "duplicate", "skipped"]; // states of a delivery that can be retried with corrected data
const INPUT_MODES = { phone: "tel", email: "email", tax_number: "numeric", amount: "decimal", term: "numeric" };
const CONFLICTS = { "needs-confirmation": "correction.needs_confirmation", "in-progress": "correction.in_progress", conflict: "correction.conflict", "wrong-state": "correction.wrong_state" };

export function isRetried(delivery) {
  return RETRIED.includes(delivery.state);
}

function isCorrectable(lead) {
  return !lead.erased_at && (lead.status === "incomplete" || Object.values(lead.deliveries).some(isRetried));
}

// The section that corrects a lead. `reveal()` resolves to the unmasked lead, or to null if that failed; masked values are
// never edited. `corrected(lead)` is called with the corrected lead, `refresh()` after a conflict.
export function correctionSection(leadId, { reveal, corrected, refresh }) {
  const section = el("section", { class: "correction", "aria-labelledby": "correction-heading" });
  let lead = null;
  let editor = null;

  const heading = () => el("h2", { id: "correction-heading", tabindex: "-1", "data-key": "correction" }, t("correction.heading"));
  const draw = (next) => {
    lead = next;
    if (lead.erased_at) editor = null;
    if (editor === null) refill(section, isCorrectable(lead) ? [heading(), closed()] : null);
  };
  const closed = () => [
    problemList(lead.problems),
    el("button", { type: "button", class: lead.status === "incomplete" ? "primary" : null, id: "correct-open", "data-key": "correct-open", onclick: open, "aria-describedby": "correct-hint" }, t("correction.open")),
    el("p", { class: "muted small", id: "correct-hint" }, t("correction.hint")),
  ];
  const open = async (event) => {
    event.target.disabled = true;
    const whole = await reveal();
    event.target.disabled = false;
    if (whole === null || !isCorrectable(lead)) return;
    editor = editorOf(whole, { save, cancel: close });
    fill(section, heading(), editor);
    (editor.querySelector("[aria-invalid]") ?? editor.querySelector("input, textarea"))?.focus();
  };
  const close = () => {
    editor = null;
    draw(lead);
    (document.getElementById("correct-open") ?? document.querySelector("h1")).focus();
  };
  const save = async (changes) => {
    try {
      const whole = await api.correct(leadId, changes);
      editor = null;
      await corrected(whole);
      draw(lead);
    } catch (error) {
      if (error.status === 409) await refresh();
      if (editor === null) notify(messageOf(error)); // the lead was erased meanwhile
      throw error;
    }
  };
  return { section, draw };
}

function messageOf(error) {
  return error.slug in CONFLICTS ? t(CONFLICTS[error.slug]) : errorMessage(error);
}

function problemList(problems) {
  return problems.length > 0 && el("ul", { class: "problems" }, namedErrors(problems).map((one) => el("li", {}, one)));
}

// The form's answers beside the form with all fields of the lead. `save(changes)` gets only what has changed.
function editorOf(whole, { save, cancel }) {
  const problems = Map.groupBy(whole.problems, (one) => one.field);
  const rows = whole.correctable.map((path) => fieldRow(path, valueAt(whole, path), problems.get(path) ?? []));
  const wrong = el("p", { class: "problem", role: "alert" });
  let isSaving = false;

  const submit = async (event) => {
    event.preventDefault();
    if (isSaving) return;
    const changed = rows.filter((row) => row.isChanged());
    wrong.textContent = "";
    if (!changed.length) {
      wrong.textContent = t("correction.unchanged");
      return;
    }
    isSaving = true;
    try {
      await save(asSections(changed));
    } catch (error) {
      explain(error);
    } finally {
      isSaving = false;
    }
  };
  const explain = (error) => {
    const errors = error.status === 422 ? error.errors : [];
    const byField = Map.groupBy(errors, (one) => one.field);
    if (errors.length) rows.forEach((row) => row.show(byField.get(row.path) ?? (row.isChanged() ? [] : problems.get(row.path) ?? [])));
    const others = errors.filter((one) => !rows.some((row) => row.path === one.field));
    const first = rows.find((row) => byField.has(row.path));
    const summary = first ? t("correction.invalid", { n: rows.filter((row) => byField.has(row.path)).length }) : null;
    if (errors.length) fill(wrong, summary, namedErrors(others).map((one) => [" ", one]));
    else wrong.textContent = messageOf(error);
    first?.input.focus();
  };
  const groups = Map.groupBy(rows, (row) => row.path.split(".")[0]);
  const form = el("form", { novalidate: true, onsubmit: submit, "aria-labelledby": "correction-heading" },
    [...groups].map(([section, some]) => el("fieldset", {}, el("legend", {}, sectionName(section)), some.map((row) => row.element))),
    wrong,
    el("div", { class: "buttons" }, el("button", { type: "submit", class: "primary" }, t("correction.save")), el("button", { type: "button", class: "quiet", onclick: cancel }, t("cancel"))));
  return el("div", { class: "card editor" }, answers(whole), form);
}

// The form's answers: those of the lead, and those of a later edit under the same id.
export const ANSWERS = ["answers", "newer_answers"];

function answers(lead) {
  const given = ANSWERS.filter((name) => Object.keys(lead[name]).length > 0);
  return given.length > 0 && el("div", { class: "beside" }, given.map((name) =>
    el("section", { class: "answers", "aria-labelledby": `${name}-heading` },
      el("h3", { id: `${name}-heading` }, t(`correction.${name}`)), answerList(lead[name]))));
}

export function answerList(given) {
  return el("dl", { class: "facts" }, Object.entries(given).map(([name, text]) =>
    el("div", {}, el("dt", {}, isolate(name)), el("dd", {}, isolate(text, { lines: true })))));
}

// One field: its label, its input, what is wrong with it.
function fieldRow(path, value, problems) {
  const name = path.split(".").pop();
  const id = `correct-${path.replaceAll(".", "-")}`;
  const text = String(value ?? "");
  const input = el(text.includes("\n") ? "textarea" : "input", {
    id, name: path, value: text, autocomplete: "off", spellcheck: "false", inputmode: INPUT_MODES[name], "aria-describedby": `${id}-error`,
  });
  const before = input.value; // the browser may normalize it
  const wrong = el("p", { class: "problem small", id: `${id}-error` });
  const show = (errors) => {
    fill(wrong, errors.flatMap((one) => [fieldErrorText(one), " "]));
    if (errors.length) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  };
  show(problems);
  return { path, input, show, element: el("div", {}, el("label", { for: id }, fieldName(name)), input, wrong), isChanged: () => input.value !== before };
}

function valueAt(lead, path) {
  const [section, name] = path.split(".");
  return lead[section]?.[name];
}

// {"person": {"phone": "…"}}; an empty field is removed (null).
function asSections(rows) {
  const sections = {};
  for (const { path, input } of rows) {
    const [section, name] = path.split(".");
    sections[section] = { ...sections[section], [name]: input.value.trim() || null };
  }
  return sections;
}

function sectionName(section) {
  return hasText(`section.${section}`) ? t(`section.${section}`) : isolate(section);
}
