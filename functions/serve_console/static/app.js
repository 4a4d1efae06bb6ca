// The beginning: speak the operator's language, see whether somebody is logged in, show what the address asks for.

import { session } from "./api.js";
import { closeDialogs } from "./dialog.js";
import { el, fill } from "./dom.js";
import { frame, markCurrent, notify } from "./frame.js";
import { show as showLead } from "./lead.js";
import { show as showLetters } from "./letters.js";
import { forget as forgetList, show as showList } from "./list.js";
import { show as showLogin } from "./login.js";
import { forget as forgetOverview, show as showOverview } from "./overview.js";
import { loadPartners } from "./partners.js";
import { title } from "./plain.js";
import { listen } from "./shortcuts.js";
import { preferred, speak, t } from "./words.js";

const ROUTES = [
  [/^$/, showOverview],
  [/^leads$/, showList],
  [/^leads\/(ld_[a-z2-7]{26})$/, showLead],
  [/^dead-letters$/, showLetters],
];

let current = new AbortController();

async function render({ keepFocus = false } = {}) {
  current.abort();
  current = new AbortController();
  const { signal } = current;
  closeDialogs();
  const [path, search] = location.hash.replace(/^#\/?/, "").split("?");
  const isIn = session.token !== null;
  const main = frame({ isIn, onLanguage: change, onLogout: () => leave() });
  markCurrent(path);
  const [match, view] = ROUTES.map(([pattern, view]) => [pattern.exec(path), view]).find(([match]) => match) ?? [];
  scrollTo(0, 0);
  if (isIn) await loadPartners(signal);
  if (signal.aborted) return;
  try {
    if (!isIn) await showLogin(main, { signal, onIn: () => render() });
    else if (view) await view(main, { signal, id: match[1], query: new URLSearchParams(search) });
    else nothingHere(main);
  } catch (error) {
    if (!signal.aborted) throw error;
    return;
  }
  const isPlaced = keepFocus || signal.aborted || main.contains(document.activeElement);
  if (!isPlaced) main.querySelector("h1")?.focus({ preventScroll: true });
}

function nothingHere(main) {
  title(t("nothing.title"));
  fill(main, el("h1", { tabindex: "-1" }, t("nothing.title")), el("p", {}, el("a", { href: "#/" }, t("nav.overview"))));
}

async function change(language) {
  await speak(language, { remember: true });
  await render({ keepFocus: true });
  document.getElementById("language")?.focus();
}

function leave(word = t("login.out")) {
  session.end();
  forgetList();
  forgetOverview();
  notify(word);
  render();
}

history.scrollRestoration = "manual"; // a view is filled after it is shown
addEventListener("hashchange", () => render());
addEventListener("leadbridge:refused", () => session.token !== null && leave(t("login.refused")));
await speak(preferred());
listen();
await render();
