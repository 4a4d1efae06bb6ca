// Says what was wrong: ?fields=person.phone,loan.amount names the fields. Other names than these are not shown.
"use strict";

const LABELS = {
  "person.full_name": "Прізвище, ім’я та по батькові",
  "person.phone": "Телефон: потрібен український номер",
  "person.email": "Електронна пошта",
  "person.tax_number": "Податковий номер: десять цифр",
  "person.activity": "Ким працюєте",
  "person.city": "Місто",
  "loan.amount": "Сума, грн",
  "loan.term": "Термін, місяців",
  "consent.text": "Згода на обробку даних",
};

const asked = new URLSearchParams(location.search);
const wrong = (asked.get("fields") || "").split(",").filter((name) => Object.hasOwn(LABELS, name));

if (wrong.length) {
  document.getElementById("what").textContent = "Перевірте, будь ласка, ці поля:";
  const list = document.getElementById("fields");
  for (const name of wrong) {
    list.append(Object.assign(document.createElement("li"), { textContent: LABELS[name] }));
  }
  list.hidden = false;
} else if (asked.has("problem")) {
  document.getElementById("what").textContent = "Зараз заявку прийняти не вдалося. Спробуйте ще раз за хвилину.";
}
