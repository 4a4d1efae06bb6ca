// The list as a CSV file. A spreadsheet reads every field as text, never as a formula.

import { api } from "./api.js";

const COLUMNS = {
  lead_id: (lead) => lead.lead_id,
  received_at: (lead) => lead.received_at,
  source: (lead) => lead.source,
  status: (lead) => lead.status,
  full_name: (lead) => lead.person?.full_name,
  phone: (lead) => lead.person?.phone,
  email: (lead) => lead.person?.email,
  tax_number: (lead) => lead.person?.tax_number,
  amount: (lead) => lead.loan?.amount,
  term: (lead) => lead.loan?.term,
  utm: (lead) => Object.entries(lead.utm ?? {}).map(([name, value]) => `${name}=${value}`).join("&"),
  deliveries: (lead) => Object.entries(lead.deliveries).map(([partner, one]) => delivery(partner, one)).join("; "),
  last_error_code: (lead) => Object.values(lead.deliveries).map((one) => one.last_error_code).filter(Boolean).join("; "),
  last_error: (lead) => Object.values(lead.deliveries).map((one) => one.last_error).filter(Boolean).join("; "),
};
const PAGE = 100;
export const MAX_LEADS = 10_000; // leads in one file

function delivery(partner, { state, deal_id: deal, account_uuid: account, partner_status: status }) {
  return [partner, state, deal ?? account, status].filter((part) => part !== null && part !== undefined).join(" ");
}

// A quoted field. A value that a spreadsheet would calculate gets a leading apostrophe.
export function field(value) {
  const text = String(value ?? "");
  const safe = /^\s*[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}

// The ids that at least one of the leads has are columns, too.
export function toCsv(leads) {
  const ids = [...new Set(leads.flatMap((lead) => Object.keys(lead.ids ?? {})))];
  const rows = leads.map((lead) => [...Object.values(COLUMNS).map((read) => read(lead)), ...ids.map((name) => lead.ids?.[name])].map(field));
  return `\ufeff${[[...Object.keys(COLUMNS), ...ids.map((name) => `ids.${name}`)].map(field), ...rows].map((row) => row.join(",")).join("\r\n")}\r\n`;
}

// Fetch all pages of a list. `onProgress` is called with the number of leads fetched so far.
export async function fetchAll(query, signal, onProgress) {
  const leads = [];
  let cursor = null;
  do {
    const page = await api.leads({ ...query, limit: PAGE, cursor }, signal);
    leads.push(...page.leads);
    cursor = page.cursor;
    onProgress(leads.length);
  } while (cursor && leads.length < MAX_LEADS);
  return leads;
}

export function download(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
