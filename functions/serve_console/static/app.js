// Entry point: set the language, check the session, show the view that the URL names.

import { closeDialogs } from "./dialog.js";
import { el, fill } from "./dom.js";
import { clearNotices, markCurrent, notify, renderLayout, showOperator } from "./layout.js";
import { show as showLead } from "./lead.js";
import { show as showDeadLetters } from "./dead_letters.js";
import { reset as resetDryRun, show as showDryRun } from "./dry_run.js";
import { show as showGroup } from "./inbox.js";
import { reset as resetList, show as showList } from "./list.js";
import { show as showLogin } from "./login.js";
import { reset as resetOverview, show as showOverview } from "./overview.js";
import { show as showPartners } from "./partner_list.js";
import { forgetPartners, loadPartners } from "./partners.js";
import { session } from "./session.js";
import { show as showSources } from "./sources.js";
import { title } from "./labels.js";
import { listen } from "./shortcuts.js";
import { preferredLanguage, setLanguage, t } from "./words.js";

const ROUTES = [
  [/^$/, showOverview],
  [/^leads$/, showList],
  [/^leads\/(ld_[a-z2-7]{26})$/, showLead],
  [/^inbox\/([\w.-]{1,400})$/, showGroup],
  [/^partners$/, showPartners],
  [/^partners\/route$/, showDryRun],
  [/^sources$/, showSources],
  [/^dead-letters$/, showDeadLetters],
];

let current = new AbortController();
let isLoggedIn = false;

async function render({ keepFocus = false } = {}) {
  current.abort();
  current = new AbortController();
  const { signal } = current;
  closeDialogs();
  const [path, search] = location.hash.replace(/^#\/?/, "").split("?");
  isLoggedIn = session.token !== null;
  if (session.expiresAt !== null) expireAfter(session.expiresAt - Date.now(), signal);
  const main = renderLayout({ isLoggedIn, onLanguage: changeLanguage, onLogout: () => logOut() });
  markCurrent(path);
  const [match, view] = ROUTES.map(([pattern, view]) => [pattern.exec(path), view]).find(([match]) => match) ?? [];
  scrollTo(0, 0);
  if (isLoggedIn) await loadPartners(signal);
  if (signal.aborted) return;
  showOperator(session.operator);
  try {
    if (!isLoggedIn) await showLogin(main, { signal, onLogin: () => render() });
    else if (view) await view(main, { signal, id: match[1], query: new URLSearchParams(search) });
    else showNotFound(main);
  } catch (error) {
    if (!signal.aborted) throw error;
    return;
  }
  const isFocusSet = keepFocus || signal.aborted || main.contains(document.activeElement);
  if (!isFocusSet) main.querySelector("h1")?.focus({ preventScroll: true });
}

function showNotFound(main) {
  title(t("not_found.title"));
  fill(main, el("h1", { tabindex: "-1" }, t("not_found.title")), el("p", {}, el("a", { href: "#/" }, t("nav.overview"))));
}

async function changeLanguage(language) {
  await setLanguage(language, { remember: true });
  await render({ keepFocus: true });
  document.getElementById("language")?.focus();
}

function expireAfter(milliseconds, signal) {
  const timer = setTimeout(() => leave(t("login.expired")), milliseconds);
  signal.addEventListener("abort", () => clearTimeout(timer));
}

function logOut() {
  session.end({ isEverywhere: true });
  leave(t("login.logged_out"));
}

// Show the log-in, and forget what the operator has seen.
function leave(text) {
  session.end();
  forgetPartners();
  resetList();
  resetOverview();
  resetDryRun();
  notify(text);
  render();
}

history.scrollRestoration = "manual"; // a view is filled after it is shown
addEventListener("hashchange", () => {
  clearNotices(); // they are about the view that is left
  render();
});
addEventListener("leadbridge:unauthorized", () => isLoggedIn && leave(t(session.token === null ? "login.expired" : "login.token_expired")));
session.share(() => isLoggedIn && leave(t("login.logged_out")));
await Promise.all([setLanguage(preferredLanguage()), session.takeOver()]);
listen();
await render();
