// The form works without this file; it only saves a guest a search and a second click.
"use strict";

const problem = document.getElementById("problem");
if (problem) {
  (document.querySelector("[aria-invalid]") || problem).focus();
}

for (const form of document.querySelectorAll("form")) {
  const button = form.querySelector("button[type=submit]");
  form.addEventListener("submit", (sending) => {
    if (button.getAttribute("aria-disabled") === "true") {
      sending.preventDefault();
      return;
    }
    button.setAttribute("aria-disabled", "true");
  });
  // Coming back with the browser's button shows the page as it was left.
  window.addEventListener("pageshow", () => button.removeAttribute("aria-disabled"));
}
