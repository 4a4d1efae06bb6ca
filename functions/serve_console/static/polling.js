// Poll while the page is visible.

const MAX_INTERVAL = 60; // seconds

// Call `task` every `seconds` until the signal aborts. After each failure the interval doubles.
export function poll(seconds, signal, task) {
  let interval = seconds;
  let timer;
  const schedule = () => {
    clearTimeout(timer);
    if (!signal.aborted) timer = setTimeout(run, interval * 1000);
  };
  const run = async () => {
    if (document.hidden) return; // visibilitychange schedules the next run
    try {
      await task();
      interval = seconds;
    } catch (error) {
      if (signal.aborted) return;
      interval = Math.min(interval * 2, MAX_INTERVAL);
    }
    schedule();
  };
  const onVisible = () => {
    if (!document.hidden) {
      interval = 0.1;
      schedule();
    }
  };
  document.addEventListener("visibilitychange", onVisible, { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
  schedule();
}

export const INTERVALS = { list: 5, lead: 5, overview: 30 }; // seconds
