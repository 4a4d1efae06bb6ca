// The configured partners, as the API lists them: what people call each, its queue, and how it identifies a delivery.

import { api } from "./api.js";

const MESSENGER = { name: "leeloo", label: "Leeloo" }; // it gets no leads, but timelines name it
const NUMBER = { field: "deal_id", isNumber: true, pattern: "[1-9][0-9]{0,14}" }; // of a partner that is not configured

let listed = null;

// Called before each view; the list is fetched once. Without it, partners keep the names that the configuration has.
export async function loadPartners(signal) {
  if (listed !== null) return;
  const answer = await api.partners(signal).catch(() => null);
  if (answer !== null) listed = answer.partners;
}

export function knownPartners() {
  return (listed ?? []).map((one) => one.name);
}

export function partnerName(partner) {
  return find("name", partner)?.label ?? partner;
}

// Whose deliveries a queue holds, or null for a queue of something else.
export function partnerOfQueue(queue) {
  return find("queue", queue)?.label ?? null;
}

export function idFormat(partner) {
  const found = find("name", partner);
  if (!found?.id_field) return NUMBER;
  return { field: found.id_field, isNumber: found.id_type === "integer", pattern: found.id_pattern };
}

function find(key, value) {
  return [...(listed ?? []), MESSENGER].find((one) => one[key] === value);
}
