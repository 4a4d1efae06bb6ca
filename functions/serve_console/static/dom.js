// Elements are created here from text only, so a lead's values can never become markup.

// Invisible characters and characters that change the reading order; their code points are shown instead.
// Joiners are kept, because some scripts and emoji need them.
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}\ud800-\udfff]/gu;

export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "value") made.value = value;
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  append(made, children);
  return made;
}

export function append(parent, ...children) {
  parent.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
}

export function fill(parent, ...children) {
  parent.replaceChildren();
  append(parent, children);
}

// An external value, isolated so that it cannot change the direction of the text around it.
export function isolate(value, { lines = false, cut = 0 } = {}) {
  let text = String(value ?? "");
  const whole = text;
  if (cut && [...text].length > cut) text = `${[...text].slice(0, cut).join("")}…`;
  const shown = el("bdi", { class: lines ? "isolated lines" : "isolated", title: whole === text ? null : visible(whole) });
  let from = 0;
  for (const found of text.matchAll(HIDDEN)) {
    if (lines && found[0] === "\n") continue;
    shown.append(text.slice(from, found.index), el("span", { class: "hidden-character" }, code(found[0])));
    from = found.index + found[0].length;
  }
  shown.append(text.slice(from));
  return shown;
}

// The same as plain text, for attributes and the page's title.
export function visible(value) {
  return String(value ?? "").replace(HIDDEN, code);
}

function code(character) {
  return `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}

// A number that leads to what it counts; one that counts nothing leads nowhere.
export function linkedNumber(value, text, address) {
  return value > 0 && address ? el("a", { href: address }, text) : text;
}

// Disable a button while a task runs, so that a slow network is visible. Returns the task's result.
// A disabled button loses the focus. It gets it back, also from the heading, to which an earlier action may have moved it.
export async function whileBusy(button, task) {
  button.disabled = true;
  try {
    return await task();
  } finally {
    button.disabled = false;
    const focused = document.activeElement;
    if (focused === document.body || (button.isConnected && focused.matches("h1"))) focusKey(document, button.dataset.key) || button.focus({ preventScroll: true });
  }
}

// Focus the element with a data-key; if it is in closed details, their summary. Returns it.
export function focusKey(parent, key) {
  const found = key && [...parent.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key);
  const shown = found && (found.closest("details:not([open])")?.querySelector("summary") ?? found);
  shown?.focus({ preventScroll: true });
  return shown;
}

// Replace an element's content. The focus and open details are restored by their data-key.
export function refill(parent, ...children) {
  const key = parent.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const open = new Set([...parent.querySelectorAll("details[open][data-key]")].map((one) => one.dataset.key));
  fill(parent, children);
  for (const one of parent.querySelectorAll("details[data-key]")) one.open = one.open || open.has(one.dataset.key);
  focusKey(parent, key);
}
