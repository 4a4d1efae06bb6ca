// What surrounds every view: the way around, the language, the way out, and what was done last.

import { el, fill, put } from "./dom.js";
import { help } from "./shortcuts.js";
import { LANGUAGES, language, t } from "./words.js";

const NOTICE = 8000; // milliseconds

export function frame({ isIn, onLanguage, onLogout }) {
  for (const old of document.querySelectorAll("body > .skip, body > header, body > main, body > footer")) old.remove();
  const main = el("main", { id: "main", tabindex: "-1" });
  const languages = el(
    "select",
    { id: "language", "aria-label": t("language"), onchange: (event) => onLanguage(event.target.value) },
    Object.entries(LANGUAGES).map(([tag, name]) => el("option", { value: tag, lang: tag }, name)),
  );
  languages.value = language;
  put(
    document.body,
    el("button", { class: "skip", type: "button", onclick: () => main.focus() }, t("skip")),
    el(
      "header",
      {},
      el("a", { class: "brand", href: "#/" }, el("img", { src: icon(), alt: "", width: 26, height: 26 }), el("span", {}, "leadbridge")),
      isIn && el("nav", { "aria-label": t("nav") }, links()),
      el(
        "div",
        { class: "tools" },
        languages,
        isIn && el("button", { type: "button", class: "quiet keyboard", onclick: help, "aria-label": t("help.title") }, "?"),
        isIn && el("button", { type: "button", class: "quiet", id: "logout", onclick: onLogout }, t("logout")),
      ),
    ),
    main,
  );
  return main;
}

function links() {
  const all = [["", "nav.overview"], ["leads", "nav.leads"], ["dead-letters", "nav.letters"]];
  return all.map(([path, key]) => el("a", { href: `#/${path}`, "data-path": path }, t(key)));
}

function icon() {
  return document.querySelector("link[rel=icon]").getAttribute("href");
}

export function markCurrent(path) {
  for (const link of document.querySelectorAll("header nav a")) {
    const isHere = link.dataset.path === path.split("/")[0];
    if (isHere) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

// Say what was done; read aloud, and gone after a while.
export function notify(text) {
  const notice = el("p", { class: "notice" }, text);
  const notices = document.getElementById("notices");
  fill(notices, notice);
  setTimeout(() => notice.remove(), NOTICE);
}
