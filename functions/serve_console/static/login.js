// Who are you? The token stays in this tab's session and goes nowhere but to the operator's routes.

import { api, session, why } from "./api.js";
import { el, fill } from "./dom.js";
import { title } from "./plain.js";
import { t } from "./words.js";

export async function show(main, { onIn }) {
  title(t("login.title"));
  const wrong = el("p", { class: "wrong", role: "alert", id: "login-wrong" });
  const token = el("input", {
    id: "token", type: "password", autocomplete: "off", autocapitalize: "off", spellcheck: "false", required: true,
    "aria-describedby": "login-hint login-wrong",
  });
  const button = el("button", { type: "submit", class: "primary" }, t("login.in"));
  const enter = async (event) => {
    event.preventDefault();
    const given = token.value.trim();
    button.disabled = true;
    wrong.textContent = "";
    try {
      if (!/^[\x21-\x7e]+$/.test(given)) throw new TypeError("no header can carry it");
      await api.leads({ limit: 1 }, undefined, given);
      session.begin(given);
      onIn();
    } catch (error) {
      wrong.textContent = error instanceof TypeError || error.status === 401 ? t("login.wrong") : why(error);
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
