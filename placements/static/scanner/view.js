// The verdict over the camera picture, and the line of news at the bottom.

import { signal } from "./feedback.js";
import { fullName, say } from "./words.js";

const VERDICT_STAYS_MS = 5000;
const TOAST_STAYS_MS = 2500;
const BAD_NEWS_STAYS_MS = 8000;
const at = (id) => document.getElementById(id);

export class View {
  constructor() {
    this.box = at("verdict");
    this.box.addEventListener("click", () => this.clear());
  }

  // Show a verdict; `quietly` without sound, for one that only becomes more precise.
  show(verdict, { person = null, message = "", quietly = false } = {}) {
    this.box.dataset.verdict = verdict;
    at("screen").dataset.verdict = verdict;
    at("verdict-symbol").setAttribute("href", `#s-${verdict}`);
    at("verdict-word").textContent = say(verdict);
    at("verdict-name").textContent = fullName(person);
    at("verdict-company").textContent = [person?.company, person?.position].filter(Boolean).join(" · ");
    at("verdict-message").textContent = message === say(verdict) ? "" : message;
    this._restart();
    if (!quietly) signal(verdict);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.clear(), VERDICT_STAYS_MS);
  }

  // The same verdict twice in a row must be seen to happen twice.
  _restart() {
    this.box.hidden = true;
    void this.box.offsetWidth;
    this.box.hidden = false;
  }

  clear() {
    clearTimeout(this.timer);
    this.box.hidden = true;
    delete this.box.dataset.verdict;
    delete at("screen").dataset.verdict;
  }

  toast(text, { bad = false } = {}) {
    const toast = at("toast");
    toast.textContent = text;
    toast.classList.toggle("bad", bad);
    toast.hidden = false;
    if (bad) signal("invalid");
    clearTimeout(this.toastTimer);
    this.toastTimer = setTimeout(() => {
      toast.hidden = true;
    }, bad ? BAD_NEWS_STAYS_MS : TOAST_STAYS_MS);
  }
}
