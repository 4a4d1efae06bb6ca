// Optional: the form works without JavaScript. With it, errors appear beside their fields and a failed post can be repeated.
"use strict";

const TIMEOUT = 20000; // milliseconds

const form = document.querySelector("form[data-thanks]");
const status = form.querySelector(".status");
const button = form.querySelector("button[type=submit]");
const fields = [...form.querySelectorAll("[data-field]")];
const label = button.textContent;
const plural = new Intl.PluralRules("uk");
const FIELDS = { one: "поле", few: "поля", many: "полів", other: "поля" };

form.noValidate = true; // replace the browser's own messages by texts beside the fields
addCampaignTags();
fields.forEach((field) => field.addEventListener("input", () => clearError(field)));
addEventListener("pageshow", () => busy(false)); // enable the button after the way back

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (button.disabled) return;
  fields.forEach(clearError);
  showStatus("");
  const invalid = fields.filter((field) => !field.checkValidity() || isBlank(field));
  if (invalid.length) return showErrors(invalid);
  busy(true);
  const result = await send();
  if (result === "thanks") return location.assign(form.dataset.thanks);
  busy(false);
  if (Array.isArray(result)) return showErrors(result);
  showStatus(result);
  status.focus();
});

// Post the form. Returns "thanks", the list of invalid fields, or an error text.
async function send() {
  let response;
  try {
    response = await fetch(form.action, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new URLSearchParams(new FormData(form)),
      credentials: "omit",
      signal: AbortSignal.timeout(TIMEOUT),
    });
  } catch {
    return "Немає зв’язку із сервером. Спробуйте ще раз: повторної заявки не буде.";
  }
  if (response.ok) return "thanks";
  if (response.status === 422) {
    const problem = await response.json().catch(() => ({}));
    const names = new Set((problem.errors || []).map((error) => error.field));
    const invalid = fields.filter((field) => names.has(field.dataset.field));
    return invalid.length ? invalid : "Перевірте, будь ласка, чи правильно заповнено форму.";
  }
  if (response.status === 429 || response.status >= 500) {
    return "Сервер зараз не може прийняти заявку. Спробуйте ще раз за хвилину.";
  }
  return "Ця форма зараз не приймає заявок. Будь ласка, зателефонуйте нам.";
}

function showErrors(invalid) {
  for (const field of invalid) {
    const error = document.createElement("p");
    error.className = "error";
    error.id = `${field.id}-error`;
    error.textContent = field.dataset.error;
    field.closest(".field").append(error);
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", [error.id, hint(field)].filter(Boolean).join(" "));
  }
  showStatus(`Перевірте ${invalid.length} ${FIELDS[plural.select(invalid.length)]}.`);
  invalid[0].focus();
}

function clearError(field) {
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

function showStatus(text) {
  status.hidden = !text;
  status.textContent = text;
}

function busy(yes) {
  button.disabled = yes;
  button.textContent = yes ? button.dataset.busy : label;
  form.setAttribute("aria-busy", String(yes));
}

// Add the campaign's utm tags and the ids of the click to the lead. Other sites' browsers do not send the page's query.
function addCampaignTags() {
  for (const [name, value] of new URLSearchParams(location.search)) {
    if (/^(utm_[a-z_]{1,40}|click_?id|sub_?id|(gcl|fbcl|ttcl|msclk)id|[gw]braid|sub(_id_)?[0-9]{1,2})$/.test(name)) {
      form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
    }
  }
}
