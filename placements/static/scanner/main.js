// The scanner: what the camera, a keyboard or the search finds becomes a scan; answers become verdicts.

import { tellOfSelf } from "./api.js";
import { Camera } from "./camera.js";
import { Desk } from "./desk.js";
import { wireCode, wireColleagues, wireDialogs, wireQueue, wireSearch, wireUndo, wireWalkIn } from "./dialogs.js";
import { wireSound } from "./feedback.js";
import { wireLive } from "./live.js";
import { Outbox } from "./outbox.js";
import { Pack } from "./pack.js";
import { Panel } from "./panel.js";
import { openStore } from "./store.js";
import { View } from "./view.js";
import { say } from "./words.js";

const FRESH_EVERY_MS = 5000;
const HIDDEN_EVERY_MS = 20000;
const ENROL_LINK = /\/scan\/([A-Za-z0-9_-]{16,})\/?$/;
const at = (id) => document.getElementById(id);
const { vendor, version } = JSON.parse(at("config").textContent);

// Kept from the first visit on: the scanner is there after a reload without network.
navigator.serviceWorker?.register("/scan/sw.js", { scope: "/scan/" }).catch(() => {});

const token = localStorage.getItem("device_token");
if (token) start(JSON.parse(localStorage.getItem("device") || "{}"));
else wireNotEnrolled();

// The organiser's link: opened, shown to the camera as a QR code, or pasted.
function wireNotEnrolled() {
  at("not-enrolled").hidden = false;
  const open = (text) => {
    const code = ENROL_LINK.exec(text.trim())?.[1];
    if (code) location.assign(`/scan/${code}`);
    at("link-error").hidden = Boolean(code);
  };
  const camera = new Camera(at("enrol-video"), vendor);
  camera.addEventListener("code", ({ detail }) => open(detail.text));
  camera.addEventListener("state", ({ detail }) => {
    at("enrol-video").hidden = detail.state !== "running" && detail.state !== "starting";
  });
  at("enrol-camera").addEventListener("click", () => camera.start());
  at("enrol-link").addEventListener("submit", (event) => {
    event.preventDefault();
    open(at("link").value);
  });
}

async function start(device) {
  at("screen").hidden = false;
  const store = await openStore();
  const view = new View();
  const outbox = new Outbox(store, token);
  const pack = new Pack(store);
  await pack.load();
  const where = wireGate(device, pack);
  const panel = new Panel(device.event?.product_lines ?? [], () => where().gate);
  const desk = new Desk({ outbox, pack, view, panel, where, supervises: device.role === "supervise" });
  const timeZone = device.event?.time_zone;
  wireDialogs();
  wireCode((text) => desk.scan({ ticket: text }));
  wireSearch({ token, timeZone, pack }, (person, found) => {
    desk.scan({ participation: person.participation }, { person, found });
  });
  wireColleagues(view, desk);
  wireWalkIn(() => where().gate, (guest) => desk.walkIn(guest));
  wireQueue(outbox, pack, timeZone);
  wireUndo(desk);
  wireLive({ token, timeZone });
  describe(device);
  wireSound(at("sound"));
  keepAwake();
  wireOutbox(outbox, pack);
  await outbox.load();
  wireCamera(desk);
  keepFresh(device, outbox, pack);
}

function describe(device) {
  at("event").textContent = device.event?.title ?? "";
  at("device").textContent = device.name ?? "";
  at("rehearsal").hidden = !device.rehearsal;
  at("live").hidden = device.role !== "supervise";
}

// The list of guests is asked for what is new all the time: that is also how the phone learns that it is back
// online, or that it was switched off.
function keepFresh(device, outbox, pack) {
  let timer = 0;
  let asking = false;

  async function ask() {
    clearTimeout(timer);
    if (asking) return;
    asking = true;
    try {
      const fresh = await pack.refresh(token, outbox.busy);
      outbox.reached();
      localStorage.setItem("device", JSON.stringify(fresh));
      describe(fresh);
      device.event.product_lines.splice(0, Infinity, ...fresh.event.product_lines);
    } catch (failure) {
      if (failure.stops) outbox.stop(failure);
      else outbox.missed(failure);
    }
    asking = false;
    timer = setTimeout(ask, document.visibilityState === "visible" ? FRESH_EVERY_MS : HIDDEN_EVERY_MS);
  }

  window.addEventListener("online", ask);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && ask());
  ask();
}

function wireOutbox(outbox, pack) {
  let unsafe = false;
  const warn = () => {
    const text = outbox.stopped ? say("device_stopped") : unsafe ? say("storage_failed") : "";
    at("stopped").textContent = text;
    at("stopped").hidden = !text;
  };
  const told = () => tellOfSelf({ queue: outbox.waiting, version });
  told();
  outbox.addEventListener("unsafe", () => {
    unsafe = true;
    warn();
  });
  outbox.addEventListener("change", () => {
    unsafe &&= outbox.records.some((record) => record.unsafe);
    if (outbox.stopped && pack.ready) pack.wipe();
    told();
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

// Where the phone stands: one of its gates, one the organiser defined, or a name of its own; and which way people go.
function wireGate(device, pack) {
  const select = at("gate");
  const input = at("gate-name");
  const way = at("direction");
  const kept = localStorage.getItem("gate") ?? "";
  const defined = () => pack.head?.place.defined ?? [];
  const names = () => {
    const own = pack.head?.place.gates ?? device.gates ?? [];
    return own.length ? own : defined().map((gate) => gate.name);
  };

  function draw() {
    const all = names();
    const now = select.value || kept;
    select.replaceChildren(...all.map((name) => new Option(name, name, false, name === now)));
    select.hidden = !all.length;
    input.hidden = all.length > 0;
    const counts = defined().some((gate) => gate.name === current() && gate.reentry);
    way.hidden = !counts;
    if (!counts) way.setAttribute("aria-pressed", "false");
  }

  const current = () => (names().length ? select.value : input.value.trim());
  input.value = names().length ? "" : kept;
  for (const field of [select, input]) {
    field.addEventListener("change", () => {
      localStorage.setItem("gate", field.value);
      draw();
    });
  }
  way.addEventListener("click", () => {
    way.setAttribute("aria-pressed", String(way.getAttribute("aria-pressed") !== "true"));
  });
  pack.addEventListener("change", draw);
  draw();
  return () => ({ gate: current(), direction: way.getAttribute("aria-pressed") === "true" ? "exit" : "entry" });
}

function wireCamera(desk) {
  const camera = new Camera(at("video"), vendor);
  const texts = { starting: "camera_starting", running: "aim", denied: "camera_denied", none: "camera_none" };
  camera.addEventListener("code", ({ detail }) => desk.scan({ ticket: detail.text }, { seenAt: detail.seenAt }));
  camera.addEventListener("state", (event) => {
    const { state } = event.detail;
    document.body.dataset.camera = state;
    at("aim").textContent = say(texts[state]);
    at("camera-retry").hidden = state !== "denied" && state !== "none";
  });
  camera.addEventListener("lenses", () => {
    at("torch").hidden = !camera.hasTorch;
    at("camera-next").hidden = camera.cameras.length < 2;
  });
  at("torch").addEventListener("click", () => {
    const on = at("torch").getAttribute("aria-pressed") !== "true";
    at("torch").setAttribute("aria-pressed", String(on));
    camera.torch(on);
  });
  at("camera-next").addEventListener("click", () => camera.next());
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
