// Translations and formats. Each language is a module of its own. One comes with the page, the others are loaded when they are selected.

import { isolate } from "./dom.js";

export const LANGUAGES = { en: "English", uk: "Українська", ru: "Русский" };
const STORAGE_KEY = "leadbridge.language";

const preloaded = new Map(); // the words by language that came with the page
let words = {};
let plural = new Intl.PluralRules("en");
let locale = "en"; // for times and numbers, such as en-GB
let language = "en";

export function preload(tag, texts) {
  preloaded.set(tag, texts);
}

export function currentLanguage() {
  return language;
}

export function preferredLanguage() {
  const wanted = [localStorage.getItem(STORAGE_KEY), ...navigator.languages];
  return wanted.map((tag) => (tag ?? "").slice(0, 2)).find((tag) => tag in LANGUAGES) ?? "en";
}

export async function setLanguage(wanted, { remember = false } = {}) {
  const version = new URL(import.meta.url).search; // load the same version as this file
  words = preloaded.get(wanted) ?? (await import(`./words.${wanted}.js${version}`)).default;
  language = wanted;
  locale = navigator.languages.find((tag) => tag.startsWith(wanted)) ?? wanted;
  plural = new Intl.PluralRules(wanted);
  document.documentElement.lang = wanted;
  if (remember) localStorage.setItem(STORAGE_KEY, wanted);
}

export function hasText(key) {
  return Object.hasOwn(words, key);
}

// A text. {name} is replaced by values.name; values.n selects the plural form.
export function t(key, values = {}) {
  return template(key, values).replace(/\{(\w+)\}/g, (_, name) => (name === "n" ? formatNumber(values.n) : String(values[name] ?? "")));
}

// The same as a list of texts and elements. A value that is not an element is isolated.
export function phrase(key, values = {}) {
  return template(key, values)
    .split(/(\{\w+\})/)
    .filter((part) => part)
    .map((part) => {
      const name = /^\{(\w+)\}$/.exec(part)?.[1];
      if (!name) return part;
      return name === "n" ? formatNumber(values.n) : values[name] instanceof Node ? values[name] : isolate(values[name]);
    });
}

function template(key, values) {
  const found = words[key] ?? key;
  return typeof found === "string" ? found : (found[plural.select(values.n)] ?? found.other);
}

export function formatNumber(value) {
  return new Intl.NumberFormat(locale).format(value);
}

export function formatPercent(value) {
  return new Intl.NumberFormat(locale, { style: "percent" }).format(value);
}

export function formatDateTime(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return String(text);
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" }).format(at);
}

export function formatShort(text) {
  const at = new Date(text);
  const isToday = at.toDateString() === new Date().toDateString();
  const style = isToday ? { timeStyle: "short" } : { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
  return new Intl.DateTimeFormat(locale, style).format(at);
}

// The zone of the times that are shown: its name, and its offset at a moment.
export function timeZone() {
  const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
  return timeZone === "Europe/Kiev" ? "Europe/Kyiv" : timeZone; // browsers return the name that it had before
}

export function formatOffset(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return "";
  const parts = new Intl.DateTimeFormat("en", { timeZoneName: "shortOffset" }).formatToParts(at);
  return parts.find(({ type }) => type === "timeZoneName").value;
}

// A decimal text with its currency. It is never rounded, because a number would lose digits of a long one.
export function formatAmount(text, currency) {
  if (!/^\d+(\.\d{1,2})?$/.test(text) || !/^[A-Z]{3}$/.test(currency)) return [text, currency].filter(Boolean).join(" ");
  const decimals = /\.0*$|^\d+$/.test(text) ? 0 : 2;
  const style = { style: "currency", currency, currencyDisplay: "narrowSymbol", minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  return new Intl.NumberFormat(locale, style).format(text);
}

export function formatDay(text, style = { day: "numeric", month: "short" }) {
  return new Intl.DateTimeFormat(locale, { ...style, timeZone: "UTC" }).format(new Date(`${text}T00:00:00Z`));
}

// A duration in its largest unit, such as "3 h".
export function formatDuration(seconds) {
  const [unit, size] = UNITS.find(([, size]) => seconds >= 1.5 * size) ?? ["second", 1];
  return new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: 0 }).format(seconds / size);
}

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];

export function formatRelative(text) {
  const seconds = (Date.now() - new Date(text).getTime()) / 1000;
  if (Math.abs(seconds) < 60) return t("time.just_now");
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["minute", 60];
  return new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(-Math.round(seconds / size), unit);
}
