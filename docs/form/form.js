// The form works without this. With it the page stays: wrong fields are told beside them, a failure can be tried again.
"use strict";

const PATIENCE = 20000; // milliseconds

const form = document.querySelector("form[data-thanks]");
const status = form.querySelector(".status");
const button = form.querySelector("button[type=submit]");
const fields = [...form.querySelectorAll("[data-field]")];
const label = button.textContent;

form.noValidate = true; // the browser's own bubbles give way to words beside the fields
keepTags();
fields.forEach((field) => field.addEventListener("input", () => settle(field)));
addEventListener("pageshow", () => busy(false)); // who comes back finds a button that works

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (button.disabled) return;
  fields.forEach(settle);
  say("");
  const wrong = fields.filter((field) => !field.checkValidity() || isBlank(field));
  if (wrong.length) return show(wrong);
  busy(true);
  const next = await send();
  if (next === "thanks") return location.assign(form.dataset.thanks);
  busy(false);
  if (Array.isArray(next)) return show(next);
  say(next);
  status.focus();
});

// What follows: "thanks", the fields that are wrong, or words.
async function send() {
  let response;
  try {
    response = await fetch(form.action, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new URLSearchParams(new FormData(form)),
      credentials: "omit",
      signal: AbortSignal.timeout(PATIENCE),
    });
  } catch {
    return "Немає зв’язку із сервером. Спробуйте ще раз: заявка не подвоїться.";
  }
  if (response.ok) return "thanks";
  if (response.status === 422) {
    const problem = await response.json().catch(() => ({}));
    const named = new Set((problem.errors || []).map((error) => error.field));
    const wrong = fields.filter((field) => named.has(field.dataset.field));
    return wrong.length ? wrong : "Перевірте, будь ласка, чи все заповнено правильно.";
  }
  if (response.status === 429 || response.status >= 500) {
    return "Сервер зараз не може прийняти заявку. Спробуйте ще раз за хвилину.";
  }
  return "Ця форма зараз не приймає заявок. Будь ласка, зателефонуйте нам.";
}

function show(wrong) {
  for (const field of wrong) {
    const error = document.createElement("p");
    error.className = "error";
    error.id = `${field.id}-error`;
    error.textContent = field.dataset.wrong;
    field.closest(".field").append(error);
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", [error.id, hint(field)].filter(Boolean).join(" "));
  }
  say(wrong.length === 1 ? "Одне поле заповнено не так." : `Полів, заповнених не так: ${wrong.length}.`);
  wrong[0].focus();
}

function settle(field) {
  document.getElementById(`${field.id}-error`)?.remove();
  field.removeAttribute("aria-invalid");
  hint(field) ? field.setAttribute("aria-describedby", hint(field)) : field.removeAttribute("aria-describedby");
}

function hint(field) {
  return field.closest(".field").querySelector(".hint")?.id || "";
}

function isBlank(field) {
  return field.required && field.type !== "checkbox" && !field.value.trim();
}

function say(words) {
  status.hidden = !words;
  status.textContent = words;
}

function busy(yes) {
  button.disabled = yes;
  button.textContent = yes ? button.dataset.busy : label;
  form.setAttribute("aria-busy", String(yes));
}

// The tags of the campaign that brought the visitor go along with the lead.
function keepTags() {
  for (const [name, value] of new URLSearchParams(location.search)) {
    if (/^utm_[a-z_]{1,40}$/.test(name)) {
      form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
    }
  }
}
