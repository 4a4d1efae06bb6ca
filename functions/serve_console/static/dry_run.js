// The dry run: which partner would get a sample lead, and why, rule by rule. Nothing is stored or sent.

import { api, errorMessage } from "./api.js";
import { el, fill, isolate } from "./dom.js";
import { findPartner, knownSources, partnerName, partnerNames } from "./partners.js";
import { fieldNames, namedErrors, pill, technical, time, title } from "./labels.js";
import { formatNumber, hasText, phrase, t } from "./words.js";

const PARTS = ["person", "loan", "trading", "utm", "ids", "consent", "form", "received_at"]; // of the API's request
const SAMPLE = {
  person: { full_name: "Прикладенко Олена Іванівна", phone: "+380500000999", email: "sample@example.com", tax_number: "3300000018", activity: "вчителька" },
  loan: { amount: "6000", term: 12 },
  trading: { offer: "" },
  utm: { utm_source: "google" },
};
let kept = null; // the lead as it was left, for the way back; null: the sample

export function reset() {
  kept = null;
}

export async function show(main, { signal, query }) {
  title(t("dry_run.title"));
  const sources = [...new Set([...knownSources(), query.get("source")].filter(Boolean))];
  const source = el("select", { id: "dry-run-source", required: true }, sources.map((one) => el("option", { value: one }, one)));
  if (query.has("source")) source.value = query.get("source");
  const lead = el("textarea", {
    id: "dry-run-lead", class: "code", rows: 20, required: true, spellcheck: "false", autocomplete: "off", autocapitalize: "off",
    "aria-describedby": "dry-run-hint dry-run-problem", value: kept ?? JSON.stringify(SAMPLE, null, 2),
    oninput: () => (kept = lead.value),
  });
  const wrong = el("div", { class: "problem", role: "alert", id: "dry-run-problem" });
  const result = el("section", { class: "result", "aria-labelledby": "result-heading" });
  const button = el("button", { type: "submit", class: "primary" }, t("dry_run.run"));
  const explain = (...problem) => {
    fill(wrong, problem);
    if (problem.length) lead.setAttribute("aria-invalid", "true");
    else lead.removeAttribute("aria-invalid");
  };
  const run = async (event) => {
    event.preventDefault();
    fill(result);
    const { asked, problem } = read(lead.value);
    explain(...(problem ? [problem] : []));
    if (problem) return lead.focus();
    button.disabled = true;
    try {
      fill(result, answer(await api.route(source.value, asked, signal)));
      document.getElementById("result-heading").focus();
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 422) explain(el("ul", { class: "problems" }, error.errors.map((one) => el("li", {}, namedErrors([one]), " ", isolate(one.message)))));
      else fill(wrong, errorMessage(error));
    } finally {
      button.disabled = false;
    }
  };
  const again = () => {
    reset();
    lead.value = JSON.stringify(SAMPLE, null, 2);
    explain();
    lead.focus();
  };
  fill(
    main,
    el("p", { class: "back" }, el("a", { href: "#/partners" }, "← ", t("nav.partners"))),
    el("h1", { tabindex: "-1" }, t("dry_run.title")),
    el("p", { class: "lead muted" }, t("dry_run.intro")),
    el("div", { class: "columns even" },
      el("form", { class: "card dry-run", onsubmit: run },
        el("div", {}, el("label", { for: "dry-run-source" }, t("list.source")), source),
        el("div", {}, el("label", { for: "dry-run-lead" }, t("dry_run.lead")), lead, el("p", { class: "muted small", id: "dry-run-hint" }, t("dry_run.hint"))),
        wrong,
        el("div", { class: "buttons" }, button, el("button", { type: "button", class: "quiet", onclick: again }, t("dry_run.sample")))),
      result),
  );
}

// The lead as the API takes it, or what is wrong with the text.
function read(text) {
  let asked;
  try {
    asked = JSON.parse(text);
  } catch (error) {
    return { problem: [t("dry_run.not_json"), technical(error.message, error.name, "json")] };
  }
  if (asked === null || typeof asked !== "object" || Array.isArray(asked)) return { problem: t("dry_run.not_object", { parts: PARTS.join(", ") }) };
  const unknown = Object.keys(asked).filter((name) => !PARTS.includes(name));
  return unknown.length ? { problem: phrase("dry_run.unknown", { names: unknown.join(", "), parts: PARTS.join(", ") }) } : { asked };
}

function answer({ partners, unavailable, rules, refusals, problems }) {
  return [
    el("h2", { id: "result-heading", tabindex: "-1" }, t(partners.length ? "dry_run.result" : "dry_run.none")),
    partners.map((name) => {
      const state = findPartner(name)?.state ?? "open";
      return el("div", { class: "card chosen heading" }, el("strong", {}, isolate(partnerName(name))), state !== "open" && pill(state, "partner"));
    }),
    unavailable.length > 0 && el("ul", { class: "plain", id: "dry-run-unavailable" }, unavailable.map((one) => el("li", {}, stop(one)))),
    problems.length > 0 && el("ul", { class: "problems" }, namedErrors(problems).map((one) => el("li", {}, one))),
    el("h3", {}, t("dry_run.rules")),
    el("ol", { class: "rules" }, rules.map((one) => el("li", { value: one.rule, class: one.result === "applies" ? "applies" : "muted" }, rule(one)))),
    refusals.length > 0 && [
      el("h3", {}, t("dry_run.refusals")),
      el("ul", { class: "plain" }, refusals.map(({ partner, errors }) => el("li", {},
        el("strong", {}, isolate(partnerName(partner))),
        el("ul", { class: "problems" }, namedErrors(errors).map((one) => el("li", {}, one)))))),
    ],
    el("p", { class: "muted small" }, t("dry_run.limits")),
  ];
}

function stop({ partner, code, until, then, next_partner: next }) {
  const reason = hasText(`waiting.${code}`) ? t(`waiting.${code}`) : code;
  return phrase(until && then === "wait" ? "dry_run.then.wait_until" : `dry_run.then.${then}`, {
    partner: partnerName(partner), reason, time: until && time(until), next: next && partnerName(next),
  });
}

function rule({ result, partners, unmet, weights, next_on: nextOn }) {
  if (result !== "applies") return phrase(`dry_run.${result}`, { fields: fieldNames(unmet) });
  const order = weights ? partners.map((name) => `${partnerName(name)} (${formatNumber(weights[name])})`).join(", ") : partnerNames(partners);
  const outcomes = (nextOn ?? []).map((one) => (hasText(`next_on.${one}`) ? t(`next_on.${one}`) : one)).join(", ");
  return [
    phrase(partners.length > 1 ? "dry_run.order" : "dry_run.applies", { partners: order }),
    weights && [" ", t("dry_run.weights")],
    outcomes && [" ", phrase("dry_run.next_on", { outcomes })],
  ];
}
