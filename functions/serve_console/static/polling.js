// Asking again and again while somebody looks, and not while nobody does.

const SLOWEST = 60; // seconds

// Call `ask` every so many seconds until the signal aborts; after a failure less and less often.
export function repeat(seconds, signal, ask) {
  let wait = seconds;
  let timer;
  const plan = () => {
    clearTimeout(timer);
    if (!signal.aborted) timer = setTimeout(turn, wait * 1000);
  };
  const turn = async () => {
    if (document.hidden) return; // becoming visible plans the next turn
    try {
      await ask();
      wait = seconds;
    } catch (error) {
      if (signal.aborted) return;
      wait = Math.min(wait * 2, SLOWEST);
    }
    plan();
  };
  const seen = () => {
    if (!document.hidden) {
      wait = 0.1;
      plan();
    }
  };
  document.addEventListener("visibilitychange", seen, { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
  plan();
}

export const pace = { list: 5, lead: 5, overview: 30 }; // seconds
