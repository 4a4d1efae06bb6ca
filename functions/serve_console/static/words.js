// What the console says, in the operator's language. Each language is a module of its own, fetched when it is spoken.

import { said } from "./dom.js";

export const LANGUAGES = { en: "English", uk: "Українська", ru: "Русский" };
const REMEMBERED = "leadbridge.language";

let words = {};
let plural = new Intl.PluralRules("en");
let locale = "en"; // the language as this browser's owner writes times and numbers
export let language = "en";

export function preferred() {
  const wanted = [localStorage.getItem(REMEMBERED), ...navigator.languages];
  return wanted.map((tag) => (tag ?? "").slice(0, 2)).find((tag) => tag in LANGUAGES) ?? "en";
}

export async function speak(wanted, { remember = false } = {}) {
  const version = new URL(import.meta.url).search; // the language is of the same version as this file
  words = (await import(`./words.${wanted}.js${version}`)).default;
  language = wanted;
  locale = navigator.languages.find((tag) => tag.startsWith(wanted)) ?? wanted;
  plural = new Intl.PluralRules(wanted);
  document.documentElement.lang = wanted;
  if (remember) localStorage.setItem(REMEMBERED, wanted);
}

export function knows(key) {
  return Object.hasOwn(words, key);
}

// A text; {name} stands for values.name, and values.n chooses between singular and plural.
export function t(key, values = {}) {
  return template(key, values).replace(/\{(\w+)\}/g, (_, name) => (name === "n" ? number(values.n) : String(values[name] ?? "")));
}

// The same as a list of texts and elements; a value that is no element is one from outside.
export function phrase(key, values = {}) {
  return template(key, values)
    .split(/(\{\w+\})/)
    .filter((part) => part)
    .map((part) => {
      const name = /^\{(\w+)\}$/.exec(part)?.[1];
      if (!name) return part;
      return name === "n" ? number(values.n) : values[name] instanceof Node ? values[name] : said(values[name]);
    });
}

function template(key, values) {
  const found = words[key] ?? key;
  return typeof found === "string" ? found : (found[plural.select(values.n)] ?? found.other);
}

export function number(value) {
  return new Intl.NumberFormat(locale).format(value);
}

export function moment(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return String(text);
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" }).format(at);
}

export function shortMoment(text) {
  const at = new Date(text);
  const isToday = at.toDateString() === new Date().toDateString();
  const style = isToday ? { timeStyle: "short" } : { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
  return new Intl.DateTimeFormat(locale, style).format(at);
}

export function day(text, style = { day: "numeric", month: "short" }) {
  return new Intl.DateTimeFormat(locale, { ...style, timeZone: "UTC" }).format(new Date(`${text}T00:00:00Z`));
}

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];

export function ago(text) {
  const seconds = (Date.now() - new Date(text).getTime()) / 1000;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["minute", 60];
  return new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(-Math.round(seconds / size), unit);
}
