// The verdict over the camera picture, and the line of news at the bottom.

import { signal } from "./feedback.js";
import { fullName, make, say } from "./words.js";

const VERDICT_STAYS_MS = 5000;
const TOAST_STAYS_MS = 2500;
const BAD_NEWS_STAYS_MS = 8000;
const at = (id) => document.getElementById(id);

export class View extends EventTarget {
  // Events: "colleagues": somebody asks who else of the company is expected.
  constructor() {
    super();
    this.box = at("verdict");
    this.box.addEventListener("click", (event) => {
      if (!event.target.closest("button")) this.clear();
    });
    at("colleagues").addEventListener("click", () => this.dispatchEvent(new Event("colleagues")));
  }

  // Show a verdict; `quietly` without sound, for one that only becomes more precise; `exit`: the other way.
  show(verdict, { person = null, message = "", quietly = false, exit = false } = {}) {
    const word = exit && verdict === "admitted" ? say("left") : say(verdict);
    this.box.dataset.verdict = verdict;
    at("screen").dataset.verdict = verdict;
    at("verdict-symbol").setAttribute("href", `#s-${exit && verdict === "admitted" ? "left" : verdict}`);
    at("verdict-word").textContent = word;
    at("verdict-name").textContent = fullName(person);
    at("verdict-company").textContent = [person?.company, person?.position].filter(Boolean).join(" · ");
    at("verdict-message").textContent = message === word ? "" : message;
    at("verdict-notes").replaceChildren(...(person?.notes ?? []).map(noteLine));
    at("colleagues").hidden = true;
    this._restart();
    if (!quietly) signal(verdict);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.clear(), VERDICT_STAYS_MS);
  }

  // So many more of the same company are expected.
  offerColleagues(count) {
    at("colleagues").textContent = say("colleagues_expected", { n: count });
    at("colleagues").hidden = !count;
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

// "vip", "promise": a word and, where there is one, what it is about; "told": what the organiser wrote, as it is.
function noteLine({ kind, text }) {
  if (kind === "told") return make("li", "note note-told", text);
  const line = make("li", `note note-${kind}`, say(`note_${kind}`));
  if (text) line.append(`: ${text}`);
  return line;
}
