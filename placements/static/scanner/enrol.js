// The enrol page: names the phone, exchanges the link's code for a token, goes on to the scanner.

import { call } from "./api.js";

const form = document.getElementById("enrol");
const error = document.getElementById("error");
const button = form.querySelector("button");

function refuse(text) {
  error.textContent = text;
  error.hidden = false;
  button.disabled = false;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  error.hidden = true;
  const body = { enrol_code: form.dataset.code, name: form.elements.name.value };
  try {
    const { device_token: token, ...device } = await call("/api/v1/devices", { body });
    localStorage.setItem("device_token", token);
    localStorage.setItem("device", JSON.stringify(device));
    location.replace(form.dataset.scanner);
  } catch (failure) {
    refuse(failure.message && failure.status ? failure.message : form.dataset.noNetwork);
  }
});
