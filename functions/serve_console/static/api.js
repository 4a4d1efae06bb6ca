// The operators' API. URLs are relative to the page, so the console works under any stage of the API.

import { fieldNames } from "./labels.js";
import { session } from "./session.js";
import { hasText, t } from "./words.js";

const TIMEOUT = 35_000; // milliseconds; the gateway answers within 29 s

export class ApiError extends Error {
  constructor(status, problem = {}) {
    super(`HTTP ${status}`);
    this.status = status;
    this.slug = String(problem.type ?? "").split(":").pop();
    this.errors = Array.isArray(problem.errors) ? problem.errors : [];
    this.leadId = String(problem.lead_id ?? "");
  }
}

// Call a route and return its JSON. Throws ApiError; status 0 means that there was no response.
export async function request(method, path, { query = {}, body, signal, token = session.token } = {}) {
  const parameters = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const search = parameters.length ? `?${new URLSearchParams(parameters)}` : "";
  const headers = { Authorization: `Bearer ${token}`, ...(body === undefined ? {} : { "Content-Type": "application/json" }) };
  if (token === null) { // it has expired
    dispatchEvent(new Event("leadbridge:unauthorized"));
    throw new ApiError(401);
  }
  let response;
  try {
    response = await fetch(`${path}${search}`, {
      method, headers, cache: "no-store", credentials: "omit",
      signal: signal ? AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]) : AbortSignal.timeout(TIMEOUT),
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0);
  }
  if (response.ok) return response.status === 204 ? null : response.json();
  const problem = await response.json().catch(() => ({}));
  if (response.status === 401 && token === session.token) dispatchEvent(new Event("leadbridge:unauthorized"));
  throw new ApiError(response.status, problem);
}

const id = encodeURIComponent;

export const api = {
  leads: (query, signal) => request("GET", "leads", { query: { ...query, masked: "true" }, signal }),
  exportLeads: (query, signal) => request("GET", "exports/leads", { query: { ...query, masked: "true" }, signal }),
  lead: (leadId, signal) => request("GET", `leads/${id(leadId)}`, { query: { masked: "true" }, signal }),
  reveal: (leadId) => request("POST", `leads/${id(leadId)}/reveal`),
  correct: (leadId, fields) => request("PATCH", `leads/${id(leadId)}`, { body: fields }),
  erase: (leadId) => request("DELETE", `leads/${id(leadId)}`),
  retry: (leadId, partner, confirm) => postAction(leadId, partner, "retry", confirm ? { confirm: true } : {}),
  resolve: (leadId, partner, body) => postAction(leadId, partner, "resolve", body),
  check: (leadId, partner) => postAction(leadId, partner, "check", {}),
  resendPostback: (leadId, eventId) => request("POST", `leads/${id(leadId)}/feedback/${id(eventId)}/resend`, { body: { confirm: true } }),
  messageOptions: (leadId) => request("GET", `leads/${id(leadId)}/messages/options`),
  write: (leadId, content) => request("POST", "messages", { body: { lead_id: leadId, ...content } }),
  addPartner: (leadId, partner, confirm) => request("POST", `leads/${id(leadId)}/deliveries`, { body: confirm ? { partner, confirm: true } : { partner } }),
  partners: (signal, token) => request("GET", "partners", { signal, token }),
  pause: (partner, reason) => request("POST", `partners/${id(partner)}/pause`, { body: { reason } }),
  resume: (partner) => request("POST", `partners/${id(partner)}/resume`),
  sources: (days, signal) => request("GET", "sources", { query: { days }, signal }),
  testSource: (source) => request("POST", `sources/${id(source)}/test`),
  route: (source, lead, signal) => request("POST", `sources/${id(source)}/route`, { body: lead, signal }),
  stats: (query, signal) => request("GET", "stats", { query, signal }),
  inbox: (signal) => request("GET", "inbox", { signal }),
  inboxGroup: (group, signal) => request("GET", "inbox", { query: { group, masked: "true" }, signal }),
  markGroup: (group, change) => request("PATCH", `inbox/${id(group)}`, { body: change }),
  retryGroup: (group, body = {}) => request("POST", `inbox/${id(group)}/retry`, { body }),
  deadLetters: (signal) => request("GET", "dead-letters", { signal }),
  redrive: (queue, letterId) => request("POST", `dead-letters/${id(queue)}/redrive`, { body: letterId ? { dead_letter_id: letterId } : {} }),
  discard: (queue, letterId) => request("POST", `dead-letters/${id(queue)}/discard`, { body: { dead_letter_id: letterId } }),
  sync: (signal) => request("GET", "sync", { signal }),
};

function postAction(leadId, partner, action, body) {
  return request("POST", `leads/${id(leadId)}/deliveries/${id(partner)}/${action}`, { body });
}

// The text for an error, in the operator's language.
export function errorMessage(error) {
  if (!(error instanceof ApiError)) return t("problem.unexpected");
  if (hasText(`problem.${error.slug}`)) return t(`problem.${error.slug}`, { lead: error.leadId });
  const fields = fieldNames(error.errors.map((one) => one.field).filter(Boolean));
  switch (error.status) {
    case 0: return t("problem.no_response");
    case 400: return t("problem.invalid_query");
    case 401: return t("problem.unauthorized");
    case 422: return t("problem.invalid", { fields: fields || "–" });
    case 429: return t("problem.rate_limited");
    default: return t("problem.server", { status: error.status });
  }
}
