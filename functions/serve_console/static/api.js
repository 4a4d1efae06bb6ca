// The operator's routes. Addresses are relative to the page, so that it works under whatever stage it is served.

import { t } from "./words.js";

const TOKEN = "leadbridge.token";

export class Refused extends Error {
  constructor(status, problem = {}) {
    super(`answered ${status}`);
    this.status = status;
    this.slug = String(problem.type ?? "").split(":").pop();
    this.errors = Array.isArray(problem.errors) ? problem.errors : [];
    this.leadId = String(problem.lead_id ?? "");
  }
}

export const session = {
  get token() {
    return sessionStorage.getItem(TOKEN);
  },
  begin(token) {
    sessionStorage.setItem(TOKEN, token);
  },
  end() {
    sessionStorage.removeItem(TOKEN);
  },
};

// What the route answers. Throws Refused; status 0 says that no answer came.
export async function ask(method, path, { query = {}, body, signal, token = session.token } = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const search = given.length ? `?${new URLSearchParams(given)}` : "";
  const headers = { Authorization: `Bearer ${token}`, ...(body === undefined ? {} : { "Content-Type": "application/json" }) };
  let response;
  try {
    response = await fetch(`${path}${search}`, {
      method, headers, signal, cache: "no-store", credentials: "omit",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0);
  }
  if (response.ok) return response.status === 204 ? null : response.json();
  const problem = await response.json().catch(() => ({}));
  if (response.status === 401 && token === session.token) dispatchEvent(new Event("leadbridge:refused"));
  throw new Refused(response.status, problem);
}

const id = encodeURIComponent;

export const api = {
  leads: (query, signal, token) => ask("GET", "leads", { query: { ...query, masked: "true" }, signal, token }),
  lead: (leadId, signal) => ask("GET", `leads/${id(leadId)}`, { query: { masked: "true" }, signal }),
  reveal: (leadId) => ask("POST", `leads/${id(leadId)}/reveal`),
  erase: (leadId) => ask("DELETE", `leads/${id(leadId)}`),
  retry: (leadId, partner, confirm) => deliver(leadId, partner, "retry", confirm ? { confirm: true } : {}),
  resolve: (leadId, partner, body) => deliver(leadId, partner, "resolve", body),
  check: (leadId, partner) => deliver(leadId, partner, "check", {}),
  write: (leadId, text) => ask("POST", "messages", { body: { lead_id: leadId, text } }),
  partners: (signal) => ask("GET", "partners", { signal }),
  stats: (from, to, signal) => ask("GET", "stats", { query: { from, to }, signal }),
  letters: (signal) => ask("GET", "dead-letters", { signal }),
  redrive: (queue, letterId) => ask("POST", `dead-letters/${id(queue)}/redrive`, { body: letterId ? { letter_id: letterId } : {} }),
  discard: (queue, letterId) => ask("POST", `dead-letters/${id(queue)}/discard`, { body: { letter_id: letterId } }),
  sync: (signal) => ask("GET", "sync", { signal }),
};

function deliver(leadId, partner, step, body) {
  return ask("POST", `leads/${id(leadId)}/deliveries/${id(partner)}/${step}`, { body });
}

// What went wrong, in words.
export function why(error) {
  if (!(error instanceof Refused)) return t("wrong.unexpected");
  const known = [
    "wrong-state", "changed-meanwhile", "busy", "unknown-lead", "unknown-queue",
    "already-tied", "not-known-to-partner", "partner-unavailable",
  ];
  if (known.includes(error.slug)) return t(`wrong.${error.slug}`, { lead: error.leadId });
  const fields = error.errors.map((one) => one.field).filter(Boolean).join(", ");
  switch (error.status) {
    case 0: return t("wrong.away");
    case 400: return t("wrong.question");
    case 401: return t("wrong.token");
    case 422: return t("wrong.invalid", { fields: fields || "–" });
    case 429: return t("wrong.throttled");
    default: return t("wrong.server", { status: error.status });
  }
}
