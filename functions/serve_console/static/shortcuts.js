// Keyboard shortcuts. They can be turned off, because speech input and other tools use single keys too.

import { isOpen, showInfo } from "./dialog.js";
import { el } from "./dom.js";
import { t } from "./words.js";

const OFF = "leadbridge.shortcuts-off";
const GO = { o: "#/", l: "#/leads", p: "#/partners", s: "#/sources", d: "#/dead-letters" };
const KEYS = [
  [["g", "o"], "help.overview"], [["g", "l"], "help.leads"], [["g", "p"], "help.partners"], [["g", "s"], "help.sources"], [["g", "d"], "help.dead_letters"],
  [["/"], "help.search"], [["j"], "help.next"], [["k"], "help.previous"], [["n"], "help.new"], [["?"], "help.help"],
];

let goUntil = 0; // a key after g counts until this time

export function listen() {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isOpen() || isTyping(event.target)) return;
    const key = keyOf(event);
    if (key === "?") return done(event, help);
    if (localStorage.getItem(OFF) || !document.querySelector("header nav")) return;
    if (goUntil > Date.now() && key in GO) {
      goUntil = 0;
      return done(event, () => (location.hash = GO[key]));
    }
    switch (key) {
      case "g": goUntil = Date.now() + 1500; break;
      case "/": return done(event, search);
      case "j": return done(event, () => step(1));
      case "k": return done(event, () => step(-1));
      case "n": return done(event, () => document.getElementById("show-new")?.click());
    }
  });
}

// The key as it is on a Latin keyboard: what was typed, or where that is no Latin letter, the place of the key.
function keyOf({ key, code, shiftKey }) {
  if (/^[a-z/?]$/.test(key)) return key;
  if (code === "Slash") return shiftKey ? "?" : "/";
  return /^[^\x00-\x7f]$/.test(key) && !shiftKey ? code.replace(/^Key/, "").toLowerCase() : key;
}

function done(event, act) {
  event.preventDefault();
  act();
}

function isTyping(target) {
  return target instanceof HTMLElement && target.matches("input, select, textarea");
}

function search() {
  const field = document.getElementById("search");
  if (field) field.focus();
  else location.hash = "#/leads?search";
}

function step(by) {
  const rows = [...document.querySelectorAll("a[data-row]")];
  const here = rows.indexOf(document.activeElement);
  rows[Math.max(0, Math.min(rows.length - 1, here < 0 ? 0 : here + by))]?.focus();
}

export function help() {
  const turn = el("input", { type: "checkbox", id: "shortcuts-on", onchange: (event) => remember(event.target.checked) });
  turn.checked = !localStorage.getItem(OFF);
  showInfo(
    t("help.title"),
    el("dl", { class: "keys" }, KEYS.map(([keys, key]) => el("div", {}, el("dt", {}, keys.map((one) => el("kbd", {}, one))), el("dd", {}, t(key))))),
    el("p", {}, turn, " ", el("label", { for: "shortcuts-on" }, t("help.on"))),
  );
}

function remember(isOn) {
  if (isOn) localStorage.removeItem(OFF);
  else localStorage.setItem(OFF, "1");
}
