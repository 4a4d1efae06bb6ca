// The log-in form. Password managers store the token under the operator's name.

import { errorMessage } from "./api.js";
import { el, fill } from "./dom.js";
import { title } from "./labels.js";
import { forgetPartners, refreshPartners } from "./partners.js";
import { session } from "./session.js";
import { t } from "./words.js";

export async function show(main, { onLogin }) {
  title(t("login.title"));
  const wrong = el("p", { class: "problem", role: "alert", id: "login-error" });
  const name = el("input", { id: "operator", name: "username", autocomplete: "username", autocapitalize: "off", spellcheck: "false" });
  const token = el("input", {
    id: "token", name: "password", type: "password", autocomplete: "current-password", autocapitalize: "off", spellcheck: "false", required: true,
    "aria-describedby": "login-hint login-error",
  });
  const remember = el("input", { id: "remember", name: "remember", type: "checkbox" });
  const button = el("button", { type: "submit", class: "primary" }, t("login.submit"));
  const enter = async (event) => {
    event.preventDefault();
    const given = token.value.trim();
    button.disabled = true;
    wrong.textContent = "";
    try {
      if (!/^[\x21-\x7e]+$/.test(given)) throw new TypeError("the token is not printable ASCII");
      forgetPartners();
      await refreshPartners(undefined, given);
      name.value = session.operator; // the name under which a password manager stores the token
      session.start(given, { isRemembered: remember.checked });
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
      el("div", {}, el("label", { for: "operator" }, t("login.name")), name),
      el("div", {}, el("label", { for: "token" }, t("login.token")), token),
      el("p", {}, remember, " ", el("label", { for: "remember" }, t("login.remember"))),
      wrong,
      button,
    ),
  );
  token.focus();
}
