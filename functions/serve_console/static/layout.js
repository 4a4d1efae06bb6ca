// The frame of every view: navigation, language, log-out, notices.

import { append, el, fill, isolate } from "./dom.js";
import { help } from "./shortcuts.js";
import { LANGUAGES, currentLanguage, formatOffset, t, timeZone } from "./words.js";

const NOTICE = 8000; // milliseconds

export function renderLayout({ isLoggedIn, onLanguage, onLogout }) {
  for (const old of document.querySelectorAll("body > .skip, body > header, body > main, body > footer")) old.remove();
  const main = el("main", { id: "main", tabindex: "-1" });
  const languages = el(
    "select",
    { id: "language", "aria-label": t("language"), onchange: (event) => onLanguage(event.target.value) },
    Object.entries(LANGUAGES).map(([tag, name]) => el("option", { value: tag, lang: tag }, name)),
  );
  languages.value = currentLanguage();
  append(
    document.body,
    el("button", { class: "skip", type: "button", onclick: () => main.focus() }, t("skip")),
    el(
      "header",
      {},
      el("a", { class: "brand", href: "#/" }, el("img", { src: icon(), alt: "", width: 26, height: 26 }), el("span", {}, "leadbridge")),
      isLoggedIn && moreButton("menu", "☰ ", t("nav.menu")), // on a phone the header is one row
      el(
        "div",
        { class: isLoggedIn ? "menu" : "menu short", id: "menu" },
        isLoggedIn && el("nav", { "aria-label": t("nav") }, links()),
        el(
          "div",
          { class: "tools" },
          el("span", { class: "operator muted", id: "operator-name" }),
          languages,
          isLoggedIn && el("button", { type: "button", class: "quiet keyboard", onclick: help, "aria-label": t("help.title") }, "?"),
          isLoggedIn && el("button", { type: "button", class: "quiet", id: "logout", onclick: onLogout }, t("logout")),
        ),
      ),
    ),
    main,
    isLoggedIn && el("footer", { class: "muted small" }, t("time.zone", { zone: timeZone(), offset: formatOffset(new Date()) })),
  );
  return main;
}

// A button that shows, on a phone alone, the element after it.
export function moreButton(id, ...text) {
  const button = el("button", { type: "button", class: "quiet more-button", "aria-expanded": "false", "aria-controls": id }, text);
  const open = (isOpen) => button.setAttribute("aria-expanded", String(isOpen));
  button.addEventListener("click", () => open(button.getAttribute("aria-expanded") === "false"));
  button.addEventListener("keydown", (event) => event.key === "Escape" && open(false));
  return button;
}

export function showOperator(name) {
  const shown = document.getElementById("operator-name");
  fill(shown, name && [el("span", { class: "unseen" }, t("nav.operator", { name: "" })), isolate(name, { cut: 30 })]);
}

function links() {
  const all = [["", "nav.overview"], ["leads", "nav.leads"], ["partners", "nav.partners"], ["sources", "nav.sources"], ["dead-letters", "nav.dead_letters"]];
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

export function clearNotices() {
  document.getElementById("notices").replaceChildren();
}

// Show a notice for some seconds; screen readers announce it.
export function notify(text) {
  const notice = el("p", { class: "notice" }, text);
  const notices = document.getElementById("notices");
  fill(notices, notice);
  setTimeout(() => notice.remove(), NOTICE);
}
