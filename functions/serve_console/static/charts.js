// Statistics as charts, each with a table for screen readers.

import { el, isolate, linkedNumber } from "./dom.js";
import { formatDay, formatNumber, t } from "./words.js";

const MAX_SOURCES = 5; // with their own colour; the other sources share one
const HEIGHT = 210; // pixels

export function dayOf(moment) {
  return moment.toISOString().slice(0, 10);
}

export function days(from, to) {
  const all = [];
  for (let at = Date.parse(from); at <= Date.parse(to); at += 86_400_000) all.push(dayOf(new Date(at)));
  return all;
}

// Leads by day: one bar per day, stacked by source. `link` makes the address of a source's leads of a day.
export function byDay(figures, link, signal) {
  const totals = sum(figures.leads, (one) => one.source);
  const sources = [...totals.keys()];
  const named = sources.length > MAX_SOURCES + 1 ? sources.slice(0, MAX_SOURCES) : sources;
  const all = days(figures.from, figures.to);
  const layers = named.map((source) => counts(all, figures.leads, (one) => one.source === source));
  if (named.length < sources.length) {
    layers.push(counts(all, figures.leads, (one) => !named.includes(one.source)));
    named.push(null);
  }
  const name = (source) => (source === null ? t("charts.others") : isolate(source, { cut: 40 }));
  const box = el("div", { class: "plot", "aria-hidden": "true" });
  const figure = el(
    "figure",
    { class: "card" },
    el("figcaption", {}, el("h3", {}, t("charts.by_day")), el("ul", { class: "legend", "aria-hidden": "true" }, named.map((source, place) => el("li", {}, el("span", { class: `key series-${place}` }), name(source))))),
    box,
    el(
      "details",
      { "data-key": "by-day" },
      el("summary", {}, t("charts.as_table")),
      el("div", { class: "scrolled", tabindex: "0", role: "region", "aria-label": t("charts.by_day") },
        el("table", {},
          el("thead", {}, el("tr", {}, el("th", { scope: "col" }, t("charts.day", { zone: figures.time_zone })), named.map((source) => el("th", { scope: "col", class: "figure" }, name(source))))),
          el("tbody", {}, all.map((one, place) => el("tr", {}, el("th", { scope: "row" }, formatDay(one)), layers.map((layer, column) => el("td", { class: "figure" }, linkedNumber(layer[place], formatNumber(layer[place]), named[column] !== null && link(named[column], one))))))),
        )),
    ),
  );
  if (all.length) loadPlots().then(() => signal.aborted || plot(box, all, layers, signal)).catch(() => box.remove());
  return figure;
}

export function sum(rows, key) {
  const totals = new Map();
  for (const row of rows) totals.set(key(row), (totals.get(key(row)) ?? 0) + row.count);
  return new Map([...totals].sort(([, one], [, other]) => other - one));
}

function counts(all, rows, matches) {
  const byDay = sum(rows.filter(matches), (row) => row.day);
  return all.map((one) => byDay.get(one) ?? 0);
}

// uPlot is loaded with the first chart. Without it, the table is all there is.
let loading = null;

function loadPlots() {
  loading ??= Promise.all([
    whenLoaded(el("link", { rel: "stylesheet", href: "console/uplot.css" })),
    whenLoaded(el("script", { src: "console/uplot.js" })),
  ]).catch((error) => {
    loading = null; // the next chart tries again
    throw error;
  });
  return loading;
}

function whenLoaded(element) {
  return new Promise((resolve, reject) => {
    element.onload = resolve;
    element.onerror = reject;
    document.head.append(element);
  });
}

// Layers are drawn from the highest total to the lowest, each over the one before, so that the bars look stacked.
function plot(box, all, layers, signal) {
  const stacked = [];
  for (const layer of layers) stacked.push(layer.map((count, place) => count + (stacked.at(-1)?.[place] ?? 0)));
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  let drawn = null;
  const draw = () => {
    drawn?.destroy();
    const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    const series = stacked.map((_, place) => ({ fill: colour(`--series-${place}`), width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.75, 40], radius: 0.1 }) }));
    const options = {
      width: Math.max(box.clientWidth, 200), height: HEIGHT, legend: { show: false }, cursor: { show: false },
      scales: { x: { time: false, range: [-0.6, all.length - 0.4] }, y: { range: (_, __, most) => [0, Math.max(most * 1.08, 4)] } },
      axes: [
        { ...axis, size: 30, grid: { show: false }, splits: () => ticks(all.length, box.clientWidth), values: (_, places) => places.map((place) => formatDay(all[place])) },
        { ...axis, size: 44, values: (_, values) => values.map((value) => (Number.isInteger(value) ? formatNumber(value) : "")) },
      ],
      series: [{}, ...series.toReversed()],
    };
    drawn = new uPlot(options, [all.map((_, place) => place), ...stacked.toReversed()], box);
  };
  const size = new ResizeObserver(() => (drawn ? drawn.setSize({ width: Math.max(box.clientWidth, 200), height: HEIGHT }) : box.clientWidth && draw()));
  size.observe(box);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw, { signal });
  signal.addEventListener("abort", () => size.disconnect());
}

function ticks(length, width) {
  const every = Math.max(1, Math.ceil(length / Math.max(2, Math.floor(width / 70))));
  return Array.from({ length }, (_, place) => place).filter((place) => (length - 1 - place) % every === 0);
}

// A table whose rows are bars; it needs no other alternative. `label` and `link` make a row's heading.
export function bars(heading, totals, label, link, tone = () => "") {
  const most = Math.max(...totals.values(), 1);
  return el(
    "section",
    { class: "card" },
    el("h3", {}, heading),
    totals.size === 0 && el("p", { class: "muted" }, t("charts.empty")),
    totals.size > 0 && el("table", { class: "bars" },
      el("thead", { class: "unseen" }, el("tr", {}, el("th", { scope: "col" }, heading), el("th", { scope: "col" }, t("charts.count")))),
      el("tbody", {}, [...totals].map(([name, count]) => {
        const bar = el("span", { class: `bar ${tone(name)}`, "aria-hidden": "true" });
        bar.style.setProperty("--share", String(count / most));
        return el("tr", {}, el("th", { scope: "row" }, link ? el("a", { href: link(name) }, label(name)) : label(name)), el("td", {}, bar, el(link ? "a" : "span", { class: "figure", href: link?.(name), tabindex: link ? -1 : null }, formatNumber(count))));
      })),
    ),
  );
}

