// The log-in form. The token is kept in this tab's session storage and sent only to the operators' API.

import { api, errorMessage, session } from "./api.js";
import { el, fill } from "./dom.js";
import { title } from "./labels.js";
import { t } from "./words.js";

export async function show(main, { onLogin }) {
  title(t("login.title"));
  const wrong = el("p", { class: "problem", role: "alert", id: "login-error" });
  const token = el("input", {
    id: "token", type: "password", autocomplete: "off", autocapitalize: "off", spellcheck: "false", required: true,
    "aria-describedby": "login-hint login-error",
  });
  const button = el("button", { type: "submit", class: "primary" }, t("login.submit"));
  const enter = async (event) => {
    event.preventDefault();
    const given = token.value.trim();
    button.disabled = true;
    wrong.textContent = "";
    try {
      if (!/^[\x21-\x7e]+$/.test(given)) throw new TypeError("the token is not printable ASCII");
      await api.leads({ limit: 1 }, undefined, given);
      session.start(given);
      onLogin();
    } catch (error) {
      wrong.textContent = error instanceof TypeError || error.status === 401 ? t("login.invalid_token") : errorMessage(error);
      token.setAttribute("aria-invalid", "true");
      token.select();
      token.focus();
    } finally {
      button.disabled = false;
    }
  };
  fill(
    main,
    el(
      "form",
      { class: "card login", onsubmit: enter },
      el("h1", { tabindex: "-1" }, t("login.title")),
      el("p", { id: "login-hint", class: "muted" }, t("login.hint")),
      el("label", { for: "token" }, t("login.token")),
      token,
      wrong,
      button,
    ),
  );
  token.focus();
}
