// Values that an operator uses outside of the console: links to call and to write, buttons to copy.

import { el, isolate } from "./dom.js";
import { fieldName } from "./labels.js";
import { notify } from "./layout.js";
import { t } from "./words.js";

// Only unmasked values become links; a masked one has signs that these patterns do not allow.
const LINKS = {
  phone: [/^\+\d{7,15}$/, (value) => `tel:${value}`],
  email: [/^[\w.+-]+@[\w.-]+$/, (value) => `mailto:${value}`],
};
const COPIED = ["phone", "email", "tax_number"];

// A person's value: with a link and a button to copy it if it is revealed.
export function personValue(name, value, isRevealed) {
  if (!isRevealed || !COPIED.includes(name)) return isolate(value);
  const [pattern, address] = LINKS[name] ?? [];
  const shown = pattern?.test(value) ? el("a", { href: address(value), "data-key": `${name}-link` }, isolate(value)) : isolate(value);
  return withCopy(shown, value, name, fieldName(name));
}

// A value with a button that copies it. `label` names the value to screen readers.
export function withCopy(shown, value, key, label) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(value);
      notify(t("copy.done"));
    } catch {
      notify(t("copy.failed"));
    }
  };
  const name = [t("copy.button"), " ", label];
  return el("span", { class: "copied" }, shown, el("button", { type: "button", class: "quiet copy", "data-key": `copy-${key}`, title: t("copy.button"), onclick: copy }, el("span", { "aria-hidden": "true", class: "sheets" }), el("span", { class: "unseen" }, name)));
}
