// The configured partners as the API lists them: label, queue, format of the delivery's id.

import { api } from "./api.js";

const MESSENGER = { name: "leeloo", label: "Leeloo" }; // it receives no leads, but timelines name it
const NUMBER = { field: "deal_id", isNumber: true, pattern: "[1-9][0-9]{0,14}" }; // for a partner that is not configured

let listed = null;

// Called before each view; the list is fetched once. If that fails, partners are shown by their configured names.
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

// The partner whose deliveries are in a queue; null for any other queue.
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
