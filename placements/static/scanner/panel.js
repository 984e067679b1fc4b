// Flags and notes on whoever was scanned last: one tap for a flag, two for a product line.

import { fullName, make, newId, say } from "./words.js";

const WITH_LINES = "product_interest";
const at = (id) => document.getElementById(id);

export class Panel extends EventTarget {
  // Events: "flag" {entry, who}: something to be sent.
  constructor(lines, currentGate) {
    super();
    this.lines = lines;
    this.currentGate = currentGate;
    this.target = null;
    for (const chip of at("chips").querySelectorAll("[data-flag]")) {
      chip.addEventListener("click", () => this._tapped(chip.dataset.flag));
    }
    at("note-chip").addEventListener("click", () => this._openNote());
    at("note-form").addEventListener("submit", () => this._noted());
  }

  // Whom the chips speak of: {participation} or {ticket}, and the person if known already.
  aim(target, person) {
    this.target = target;
    this.person = person;
    this.on = new Set(person?.flags ?? []);
    this.onLines = new Set(person?.product_lines ?? []);
    at("panel-name").textContent = fullName(person);
    this._draw();
    at("panel").hidden = false;
  }

  leave() {
    this.target = null;
    at("panel").hidden = true;
  }

  // The server knew better: show what it says.
  correct(entry, person) {
    if (!this.target || !this._isTarget(entry)) return;
    if (person) this.aim(this.target, person);
    else this._apply(entry.flag, entry.product_line, !entry.on);
  }

  _isTarget(entry) {
    return entry.participation ? entry.participation === this.target.participation : entry.ticket === this.target.ticket;
  }

  _draw() {
    for (const chip of at("chips").querySelectorAll("[data-flag]")) {
      chip.setAttribute("aria-pressed", String(this.on.has(chip.dataset.flag)));
    }
  }

  _tapped(flag) {
    if (flag === WITH_LINES && this.lines.length) this._openLines(flag);
    else this.set(flag, "", !this.on.has(flag));
  }

  _openLines(flag) {
    const dialog = at("line-dialog");
    const choices = this.lines.map((line) => [line, line]).concat([["", say("without_line")]]);
    at("lines").replaceChildren(
      ...choices.map(([line, title]) => {
        const button = make("button", "chip", title);
        const on = line ? this.onLines.has(line) : this.on.has(flag) && !this.onLines.size;
        button.type = "button";
        button.setAttribute("aria-pressed", String(on));
        button.addEventListener("click", () => {
          dialog.close();
          this.set(flag, line, !on);
        });
        return button;
      }),
    );
    dialog.showModal();
  }

  set(flag, line, on) {
    this._apply(flag, line, on);
    this._send({ flag, ...(line ? { product_line: line } : {}), on });
  }

  _apply(flag, line, on) {
    if (line) this.onLines[on ? "add" : "delete"](line);
    if (on) this.on.add(flag);
    else if (!line || !this.onLines.size) this.on.delete(flag);
    this._draw();
  }

  _openNote() {
    at("note").value = "";
    at("note-dialog").showModal();
  }

  _noted() {
    const note = at("note").value.trim();
    if (note) this._send({ note, on: true });
  }

  _send(what) {
    const entry = {
      action_id: newId(),
      ...this.target,
      ...what,
      gate: this.currentGate(),
      set_at: new Date().toISOString(),
    };
    this.dispatchEvent(new CustomEvent("flag", { detail: { entry, who: fullName(this.person) } }));
  }
}
