// The configured partners as the API lists them: label, state, sources, queue, format of the delivery's id.

import { api } from "./api.js";
import { isolate } from "./dom.js";
import { session } from "./session.js";
import { hasText, t } from "./words.js";

const NUMBER = { field: "deal_id", isNumber: true, pattern: "[1-9][0-9]{0,14}" }; // for a partner that is not configured

let listed = null;

// Called before each view; the list is fetched once. If that fails, partners are shown by their configured names.
export async function loadPartners(signal) {
  if (listed === null) await refreshPartners(signal).catch(() => {});
}

// Fetch the partners as they are now, and the operator's name. `token`: instead of the session's.
export async function refreshPartners(signal, token) {
  const { partners, operator } = await api.partners(signal, token);
  listed = partners;
  session.operator = operator ?? "";
  return listed;
}

export function forgetPartners() {
  listed = null;
}

export function knownPartners() {
  return (listed ?? []).map((one) => one.name);
}

export function knownSources() {
  return [...new Set((listed ?? []).flatMap((one) => one.sources))];
}

export function findPartner(name) {
  return (listed ?? []).find((one) => one.name === name);
}

export function partnerName(partner) {
  return findPartner(partner)?.label ?? partner;
}

export function partnerNames(partners) {
  return partners.map(partnerName).join(", ");
}

// The partners whose deliveries are in a queue; null for any other queue.
export function partnersOfQueue(queue) {
  const found = (listed ?? []).filter((one) => one.queue === queue);
  return found.length ? found.map((one) => one.label).join(", ") : null;
}

export function idFormat(partner) {
  const found = findPartner(partner);
  if (!found?.id_field) return NUMBER;
  return { field: found.id_field, isNumber: found.id_type === "integer", pattern: found.id_pattern };
}

export function queueName(queue) {
  const partner = partnersOfQueue(queue);
  if (partner !== null) return t("queue.submit", { partner });
  return hasText(`queue.${queue}`) ? t(`queue.${queue}`) : isolate(queue);
}
