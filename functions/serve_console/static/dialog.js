// Modal dialogs: every action is explained and confirmed before it runs.

import { errorMessage } from "./api.js";
import { el, fill, focusKey, isolate, whileBusy } from "./dom.js";
import { t } from "./words.js";

let number = 0;

export function closeDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) dialog.remove();
}

// Ask for confirmation, then call `run` with the form's data. If it throws, the dialog stays open and explains the error.
// If the API needs a confirmation that a partner may get a lead twice, it explains that, and the next click gives it.
// Resolves to the result of `run`, to its last error, or to null if the operator cancelled without trying.
// `about` is the lead whose person the action concerns.
export function confirm({ heading, about = null, body, label, danger = false, run, explain = errorMessage }) {
  return new Promise((resolve) => {
    const id = `dialog-${++number}`;
    let [result, isConfirmed] = [null, false];
    const wrong = el("p", { class: "problem", role: "alert" });
    const act = el("button", { type: "submit", class: danger ? "danger" : "primary" }, label);
    const submit = async (event) => {
      event.preventDefault();
      wrong.textContent = "";
      try {
        result = (await whileBusy(act, () => run(new FormData(form), isConfirmed))) ?? true;
        dialog.close();
      } catch (error) {
        wrong.textContent = explain(error);
        result = error;
        if (error.slug === "needs-confirmation") {
          isConfirmed = true;
          act.className = "danger";
          act.textContent = t("send_anyway");
        }
      }
    };
    const form = el(
      "form",
      { onsubmit: submit },
      el("h2", { id, tabindex: "-1" }, heading),
      about && el("p", { class: "about" }, personOf(about)),
      el("div", { class: "explained" }, body),
      wrong,
      el("div", { class: "buttons" }, el("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, t("cancel")), act),
    );
    const dialog = el("dialog", { "aria-labelledby": id, onclose: () => end(dialog, () => resolve(result)) }, form);
    open(dialog, form.querySelector("input, select, textarea") ?? form.querySelector(".buttons button"));
  });
}

// The person's name, and the phone as the API has masked it.
export function personOf({ person }) {
  const { full_name: name, phone } = person ?? {};
  return [el("strong", {}, isolate(name || t("dialog.no_name"), { cut: 80 })), phone && [" · ", isolate(phone)]];
}

export function showInfo(heading, ...body) {
  const id = `dialog-${++number}`;
  const close = el("button", { type: "button", class: "primary", onclick: () => dialog.close() }, t("close"));
  const dialog = el("dialog", { "aria-labelledby": id, onclose: () => end(dialog) });
  fill(dialog, el("h2", { id }, heading), body, el("div", { class: "buttons" }, close));
  open(dialog, close);
}

// The browser returns the focus to the element that had it. A poll may replace that element meanwhile.
function open(dialog, first) {
  dialog.dataset.opener = document.activeElement.dataset.key ?? "";
  document.body.append(dialog);
  dialog.showModal();
  first?.focus();
}

function end(dialog, then) {
  dialog.remove();
  if (document.activeElement === document.body) focusKey(document, dialog.dataset.opener);
  then?.();
}

export function isOpen() {
  return document.querySelector("dialog[open]") !== null;
}
