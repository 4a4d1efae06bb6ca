// Poll while the page is visible. After two failures a banner says how old the data is.

import { el } from "./dom.js";
import { time } from "./labels.js";
import { formatShort, phrase, t } from "./words.js";

const RETRY = 5; // seconds after the first failure
const MAX_INTERVAL = 60; // seconds
const MAX_FAILURES = 2; // before the banner is shown

// Load a view's data and then poll it. `onError` shows why the first load failed; a later one replaces what it shows.
export async function loadAndPoll(seconds, signal, load, onError) {
  let isLoaded = true;
  try {
    await load();
  } catch (error) {
    if (signal.aborted) return;
    isLoaded = false;
    onError(error);
  }
  poll(seconds, signal, load, { isLoaded });
}

// Call `task` every `seconds` until the signal aborts. After each failure the interval doubles. `isLoaded`: the view has data.
export function poll(seconds, signal, task, { isLoaded = true } = {}) {
  let timer;
  let failures = isLoaded ? 0 : 1;
  let isRunning = false;
  let loadedAt = isLoaded ? new Date() : null;
  const banner = el("div", { class: "stale", role: "alert" });
  const schedule = (delay) => {
    clearTimeout(timer);
    if (!signal.aborted) timer = setTimeout(run, delay * 1000);
  };
  const show = () => {
    if (failures < MAX_FAILURES) return banner.remove();
    if (banner.isConnected) return;
    const text = loadedAt ? phrase("stale.since", { time: time(loadedAt.toISOString(), { short: formatShort }) }) : t("stale.never");
    banner.replaceChildren(el("p", {}, text), el("button", { type: "button", id: "retry", onclick: run }, t("stale.retry")));
    document.getElementById("main")?.prepend(banner);
  };
  const run = async () => {
    if (document.hidden || isRunning) return; // visibilitychange schedules the next run
    isRunning = true;
    try {
      await task();
      loadedAt = new Date();
      failures = 0;
    } catch (error) {
      failures = isAnswer(error) ? 0 : failures + 1;
    }
    isRunning = false;
    if (signal.aborted) return;
    show();
    schedule(failures ? Math.min(RETRY * 2 ** (failures - 1), MAX_INTERVAL) : seconds);
  };
  const soon = () => !document.hidden && schedule(0.1);
  document.addEventListener("visibilitychange", soon, { signal });
  addEventListener("online", soon, { signal });
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    banner.remove();
  });
  schedule(isLoaded ? seconds : RETRY);
}

// Whether the API answered that it cannot show this, which is no lost connection.
function isAnswer({ status }) {
  return status >= 400 && status < 500 && status !== 429;
}

export const INTERVALS = { list: 5, lead: 5, overview: 30 }; // seconds
