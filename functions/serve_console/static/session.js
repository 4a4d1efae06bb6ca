// The operator's session. The token is kept in this tab, or for 12 hours on this device if the operator wants that.

const KEY = "leadbridge.token"; // in the session storage
const REMEMBERED = "leadbridge.remembered"; // in the local storage: the token, and until when
const REMEMBER_FOR = 12 * 3600 * 1000; // milliseconds
const HAND_OVER = 150; // milliseconds that another tab has to hand over its session

const channel = new BroadcastChannel(`leadbridge ${location.pathname}`); // tabs of this console alone

export const session = {
  operator: "", // the name; empty until the API has told it

  get token() {
    return sessionStorage.getItem(KEY) ?? remembered()?.token ?? null;
  },

  // When the token is forgotten, in milliseconds; null if that is when the tab is closed.
  get expiresAt() {
    return remembered()?.until ?? null;
  },

  start(token, { isRemembered = false } = {}) {
    if (isRemembered) localStorage.setItem(REMEMBERED, JSON.stringify({ token, until: Date.now() + REMEMBER_FOR }));
    else sessionStorage.setItem(KEY, token);
  },

  // Forget the token on this device. `isEverywhere` ends the sessions of all tabs.
  end({ isEverywhere = false } = {}) {
    session.operator = "";
    sessionStorage.removeItem(KEY);
    localStorage.removeItem(REMEMBERED);
    if (isEverywhere) channel.postMessage({ isEnded: true });
  },

  // Take over the session of another tab, if there is one.
  async takeOver() {
    if (session.token !== null) return;
    const waiting = new AbortController();
    const token = await new Promise((resolve) => {
      setTimeout(resolve, HAND_OVER);
      channel.addEventListener("message", ({ data }) => data.token && resolve(data.token), { signal: waiting.signal });
      channel.postMessage({ isAsking: true });
    });
    waiting.abort();
    if (token) session.start(token);
  },

  // Answer new tabs. `onEnded` is called when another tab has ended the session.
  share(onEnded) {
    channel.addEventListener("message", ({ data }) => {
      const token = sessionStorage.getItem(KEY); // a remembered one is known to every tab
      if (data.isAsking && token !== null) channel.postMessage({ token });
      if (data.isEnded) {
        session.end();
        onEnded();
      }
    });
  },
};

function remembered() {
  try {
    const kept = JSON.parse(localStorage.getItem(REMEMBERED));
    if (kept?.until > Date.now() && kept.until <= Date.now() + REMEMBER_FOR && typeof kept.token === "string") return kept;
  } catch {
    // not what this console has stored
  }
  localStorage.removeItem(REMEMBERED);
  return null;
}
