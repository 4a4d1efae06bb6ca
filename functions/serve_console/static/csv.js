// Export of the list. The API writes the lines of CSV, so the console and the command have the same columns.

import { api, errorMessage } from "./api.js";
import { confirm } from "./dialog.js";
import { el, fill } from "./dom.js";
import { language, phrase, t } from "./words.js";

const PAGE = 100;
const MAX_LEADS = 10_000; // leads in one file of the browser; the command has no limit
const BOM = "\ufeff"; // by this Excel recognizes UTF-8

// The button of the list; `query` returns the list's filters. It first asks for the format.
export function exportButton(query, signal) {
  const progress = el("span", { class: "muted", role: "status" });
  const run = async (event) => {
    const { target } = event;
    const format = await askFormat();
    if (!format) return;
    target.disabled = true;
    try {
      const { parts, n, isCut } = await fetchAll({ ...query(), ...format }, signal, (count) => fill(progress, phrase("csv.progress", { n: count })));
      download(`leads-${new Date().toISOString().slice(0, 10)}.csv`, [BOM, ...parts]);
      fill(progress, t(isCut ? "csv.cut" : "csv.done", { n }));
    } catch (error) {
      if (!signal.aborted) fill(progress, errorMessage(error));
    } finally {
      target.disabled = false;
    }
  };
  return el("div", { class: "export" }, progress, el("button", { type: "button", id: "export", onclick: run }, t("csv.export")));
}

// Excel in Ukrainian and Russian opens columns only if semicolons separate them.
function askFormat() {
  const choice = (name, options) =>
    el("p", {}, el("label", { for: `csv-${name}` }, t(`csv.${name}`)), el("select", { id: `csv-${name}`, name }, options.map(([value, text]) => el("option", { value }, text))));
  const separators = ["comma", "semicolon"].map((one) => [one, t(`csv.${one}`)]);
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return confirm({
    heading: t("csv.export"),
    body: [
      el("p", {}, t("csv.about")),
      choice("separator", language === "en" ? separators : separators.toReversed()),
      choice("zone", [...new Set([own, "UTC"])].map((zone) => [zone, zone])),
    ],
    label: t("csv.start"),
    run: (form) => Object.fromEntries(form),
  });
}

// Fetch all pages of a list. `onProgress` is called with the number of leads fetched so far.
async function fetchAll(query, signal, onProgress) {
  const parts = [];
  let [n, cursor] = [0, null];
  do {
    const page = await api.exportLeads({ ...query, limit: PAGE, cursor }, signal);
    parts.push(page.csv);
    n += page.leads;
    cursor = page.cursor;
    onProgress(n);
  } while (cursor && n < MAX_LEADS);
  return { parts, n, isCut: cursor !== null };
}

function download(name, parts) {
  const url = URL.createObjectURL(new Blob(parts, { type: "text/csv;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
