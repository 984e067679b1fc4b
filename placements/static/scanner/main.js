// The scanner: what the camera, a keyboard or the search finds becomes a scan; answers become verdicts.

import { call } from "./api.js";
import { Camera } from "./camera.js";
import { wireCode, wireDialogs, wireQueue, wireSearch, wireWalkIn } from "./dialogs.js";
import { allowSound } from "./feedback.js";
import { Outbox } from "./outbox.js";
import { Panel } from "./panel.js";
import { openStore } from "./store.js";
import { View } from "./view.js";
import { fullName, newId, say } from "./words.js";

const CHECKING_AFTER_MS = 350;
const PENDING_AFTER_MS = 2500;
const LET_IN = ["admitted", "conflict"];
const NO_PERSON = ["unknown", "wrong_event", "invalid", "revoked"];
const at = (id) => document.getElementById(id);
const { vendor } = JSON.parse(at("config").textContent);

const token = localStorage.getItem("device_token");
if (token) start(JSON.parse(localStorage.getItem("device") || "{}"));
else at("not-enrolled").hidden = false;

async function start(device) {
  at("screen").hidden = false;
  const view = new View();
  const outbox = new Outbox(await openStore(), token);
  const gate = wireGate(device.gates ?? []);
  const panel = new Panel(device.event?.product_lines ?? [], gate);
  const desk = new Desk(outbox, view, panel, gate);
  const timeZone = device.event?.time_zone;
  wireDialogs();
  wireCode((text) => desk.scan({ ticket: text }));
  wireSearch(token, timeZone, (person) => desk.scan({ participation: person.participation }, person));
  wireWalkIn(gate, (guest) => desk.walkIn(guest));
  wireQueue(outbox, timeZone);
  at("undo").addEventListener("click", () => desk.undo());
  at("event").textContent = device.event?.title ?? "";
  at("device").textContent = device.name ?? "";
  document.addEventListener("pointerdown", allowSound);
  document.addEventListener("keydown", allowSound);
  keepAwake();
  wireOutbox(outbox, view);
  await outbox.load();
  wireCamera(desk);
  refresh(device, outbox);
}

// The server may know more than the phone: a new title, product lines, or that the phone is revoked.
async function refresh(device, outbox) {
  try {
    const fresh = await call("/api/v1/device", { token });
    outbox.lastContact = new Date();
    localStorage.setItem("device", JSON.stringify(fresh));
    at("event").textContent = fresh.event.title;
    device.event.product_lines.splice(0, Infinity, ...fresh.event.product_lines);
    outbox.dispatchEvent(new Event("change"));
  } catch (failure) {
    if (failure.stops) stopped(say("device_stopped"));
  }
}

function stopped(text) {
  at("stopped").textContent = text;
  at("stopped").hidden = !text;
}

function wireOutbox(outbox, view) {
  let unsafe = false;
  const warn = () => stopped(outbox.stopped ? say("device_stopped") : unsafe ? say("storage_failed") : "");
  outbox.addEventListener("unsafe", () => {
    unsafe = true;
    warn();
  });
  outbox.addEventListener("change", () => {
    unsafe &&= outbox.records.some((record) => record.unsafe);
    warn();
  });
  window.addEventListener("online", () => outbox.flush());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") outbox.flush();
  });
  window.addEventListener("beforeunload", (event) => {
    if (unsafe) event.preventDefault();
  });
}

function wireGate(gates) {
  const select = at("gate");
  const input = at("gate-name");
  const kept = localStorage.getItem("gate") ?? "";
  select.replaceChildren(...gates.map((name) => new Option(name, name, false, name === kept)));
  input.value = gates.length ? "" : kept;
  select.hidden = !gates.length;
  input.hidden = gates.length > 0;
  for (const field of [select, input]) {
    field.addEventListener("change", () => localStorage.setItem("gate", field.value));
  }
  return () => (gates.length ? select.value : input.value.trim());
}

function wireCamera(desk) {
  const camera = new Camera(at("video"), vendor);
  const texts = { starting: "camera_starting", running: "aim", denied: "camera_denied", none: "camera_none" };
  camera.addEventListener("code", (event) => desk.scan({ ticket: event.detail.text }));
  camera.addEventListener("state", (event) => {
    const { state } = event.detail;
    document.body.dataset.camera = state;
    at("aim").textContent = say(texts[state]);
    at("camera-retry").hidden = state !== "denied" && state !== "none";
  });
  at("camera-retry").addEventListener("click", () => camera.start());
  camera.start();
}

function keepAwake() {
  const ask = () => {
    if (document.visibilityState === "visible") navigator.wakeLock?.request("screen").catch(() => {});
  };
  document.addEventListener("visibilitychange", ask);
  ask();
}

class Desk {
  constructor(outbox, view, panel, gate) {
    Object.assign(this, { outbox, view, panel, gate });
    this.current = null;
    this.undoable = null;
    panel.addEventListener("flag", (event) => this.flag(event.detail));
    outbox.addEventListener("answer", (event) => this._answered(event.detail));
    outbox.addEventListener("change", () => {
      if (outbox.failures && this.current?.open) this._pending();
    });
  }

  // One guest: by ticket or, found by name, by participation.
  scan(target, person = null) {
    const id = newId();
    const entry = {
      scan_id: id,
      ...target,
      gate: this.gate(),
      scanned_at: new Date().toISOString(),
      direction: "entry",
    };
    this._open({ id, target, person, undo: { scan_id: id } });
    return this.outbox.add("scans", id, entry, fullName(person) || String(target.ticket ?? "").slice(-28));
  }

  walkIn(guest) {
    const person = { last_name: guest.last_name, first_name: guest.first_name, company: guest.company };
    this._open({ id: guest.action_id, target: null, person, undo: null });
    return this.outbox.add("walk_ins", guest.action_id, guest, fullName(person));
  }

  flag({ entry, who }) {
    this.undoable = { flag: entry };
    this.outbox.add("flags", entry.action_id, entry, [who, entry.flag ?? entry.note].filter(Boolean).join(" · "));
  }

  undo() {
    const last = this.undoable;
    this.undoable = null;
    if (last?.flag?.flag) return this._undoFlag(last.flag);
    if (last?.scan_id) return this._undoScan(last.scan_id);
    return this.view.toast(say("undo_nothing"));
  }

  _undoFlag(entry) {
    const back = { ...entry, action_id: newId(), on: !entry.on, set_at: new Date().toISOString() };
    delete back.note;
    this.panel.correct(entry, null);
    this.outbox.add("flags", back.action_id, back, say("undo"));
    this.view.toast(say("undo_sent"));
  }

  _undoScan(scanId) {
    const id = newId();
    const entry = { action_id: id, scan_id: scanId, reason: say("undo_reason"), set_at: new Date().toISOString() };
    this.outbox.add("annulments", id, entry, "");
    this.view.toast(say("undo_sent"));
  }

  // A guest stands here and waits: say so when the answer takes long, and that we do not know when there is none.
  _open(current) {
    clearTimeout(this.checking);
    clearTimeout(this.pendingTimer);
    this.current = { ...current, open: true };
    this.undoable = current.undo;
    this.view.clear();
    this.panel.leave();
    if (this.outbox.offline) return this._pending();
    this.checking = setTimeout(() => this.view.show("checking", { quietly: true }), CHECKING_AFTER_MS);
    this.pendingTimer = setTimeout(() => this._pending(), PENDING_AFTER_MS);
  }

  _pending() {
    const { target, person } = this.current;
    this._close();
    this.view.show("pending", { person, message: say("pending_text") });
    if (target) this.panel.aim(target, person);
  }

  _close() {
    clearTimeout(this.checking);
    clearTimeout(this.pendingTimer);
    this.current.open = false;
  }

  _answered({ record, answer }) {
    if (record.kind === "scans") this._judged(record.entry.scan_id, answer, answer.verdict);
    else if (record.kind === "walk_ins") this._walkedIn(record.entry, answer);
    else if (record.kind === "flags") this._flagged(record.entry, answer);
    else this._undone(answer);
  }

  _judged(id, answer, verdict) {
    const { person, message } = answer;
    if (this.current?.id !== id) {
      if (verdict !== "admitted") this._late(verdict, person);
      return;
    }
    this._close();
    this.view.show(verdict, { person, message });
    if (person) this.panel.aim({ participation: person.participation }, person);
    else if (NO_PERSON.includes(verdict)) this.panel.leave();
    if (!LET_IN.includes(verdict) && this.undoable?.scan_id === id) this.undoable = null;
  }

  _late(verdict, person) {
    const name = fullName(person) || say("somebody");
    this.view.toast(say("late_refusal", { word: say(verdict), name }), { bad: true });
  }

  _walkedIn(entry, answer) {
    const fine = answer.result === "done" || answer.result === "already";
    const mine = this.current?.id === entry.action_id;
    if (fine && mine) return this._judged(entry.action_id, answer, "admitted");
    if (mine) {
      this._close();
      this.view.clear();
    }
    if (!fine) this.view.toast(say("failed", { why: `${fullName(entry)}: ${answer.message}` }), { bad: true });
  }

  _flagged(entry, answer) {
    const fine = answer.result === "done" || answer.result === "already";
    if (fine) this.view.toast([fullName(answer.person), answer.message].filter(Boolean).join(": "));
    else {
      this.panel.correct(entry, answer.person);
      this.view.toast(say("failed", { why: answer.message }), { bad: true });
    }
  }

  _undone(answer) {
    const fine = answer.result === "done" || answer.result === "already";
    if (fine) {
      this.view.clear();
      this.panel.leave();
    }
    this.view.toast(fine ? answer.message : say("failed", { why: answer.message }), { bad: !fine });
  }
}
