// Texts of the page, in the language the server chose.

const texts = JSON.parse(document.getElementById("words").textContent);

export function say(key, values = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

export function clock(moment, timeZone) {
  const options = { hour: "2-digit", minute: "2-digit", timeZone };
  return new Intl.DateTimeFormat(document.documentElement.lang, options).format(moment);
}

export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function fullName(person) {
  return [person?.last_name, person?.first_name].filter(Boolean).join(" ");
}

export function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}
