// Lists the invalid fields from ?fields=person.phone,loan.amount. Unknown names are ignored.
"use strict";

const LABELS = {
  "person.full_name": "Прізвище, ім’я та по батькові",
  "person.phone": "Телефон: потрібен український номер",
  "person.email": "Електронна пошта",
  "person.tax_number": "Податковий номер: десять цифр",
  "person.activity": "Рід занять",
  "person.city": "Місто",
  "loan.amount": "Сума, грн",
  "loan.term": "Термін, місяців",
  "consent.text": "Згода на обробку даних",
};

const query = new URLSearchParams(location.search);
const invalid = (query.get("fields") || "").split(",").filter((name) => Object.hasOwn(LABELS, name));

if (invalid.length) {
  document.getElementById("what").textContent = "Перевірте, будь ласка, ці поля:";
  const list = document.getElementById("fields");
  for (const name of invalid) {
    list.append(Object.assign(document.createElement("li"), { textContent: LABELS[name] }));
  }
  list.hidden = false;
} else if (query.has("problem")) {
  document.getElementById("what").textContent = "Не вдалося прийняти заявку. Спробуйте ще раз за хвилину.";
}
