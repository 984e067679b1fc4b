// Everything this phone tells the app goes through here: kept first, sent at once, sent again until answered.
// The same ids travel every time, so an answer that was lost on its way does no harm.

import { call, Failure } from "./api.js";

const PATHS = {
  scans: "/api/v1/scans",
  flags: "/api/v1/flags",
  annulments: "/api/v1/annulments",
  walk_ins: "/api/v1/walk-ins",
};
const ANSWERS = { scans: "verdicts", flags: "results", annulments: "results", walk_ins: "results" };
const MOST = 50;
const WAITS_MS = [1000, 2000, 4000, 8000, 15000];
const STOPPED_WAIT_MS = 60000;

export class Outbox extends EventTarget {
  // Events: "change" (counts or contact), "answer" {record, answer}, "unsafe" (an entry is in memory only).
  constructor(store, token) {
    super();
    this.store = store;
    this.token = token;
    this.records = [];
    this.failures = 0;
    this.stopped = null;
    this.lastContact = null;
    this.sending = null;
    this.timer = null;
    this.last = 0;
  }

  async load() {
    this.records = (await this.store.all()).sort((a, b) => a.order - b.order);
    this._changed();
    this.flush();
  }

  get waiting() {
    return this.records.length;
  }

  get offline() {
    return !navigator.onLine || this.failures > 0;
  }

  // Keep an entry. `told` is what the lists show for it, `about` whose it is ({participation}) and which verdict
  // somebody acted on already ({acted}). Resolves once it is on disk (or known to be only in memory).
  async add(kind, id, entry, told, about = {}) {
    this.last = Math.max(this.last + 1, Date.now());
    const record = { ...about, id: `${kind}:${id}`, kind, entry, told, order: this.last, stuck: "", token: this.token };
    this.records.push(record);
    this._changed();
    await this._keep(record);
    this.flush();
    return record;
  }

  async _keep(record) {
    try {
      await this.store.put(record);
    } catch {
      await this._makeRoom(record);
    }
  }

  // A full storage: the pack can be fetched again, an entry cannot. Then it is in memory only, and said aloud.
  async _makeRoom(record) {
    try {
      await this.store.wipePack();
      await this.store.put(record);
    } catch {
      record.unsafe = true;
      this.dispatchEvent(new Event("unsafe"));
    }
  }

  // Somebody acted on a verdict of this phone before the answer came: it travels with whatever is sent from now on.
  acted(id, verdict) {
    const record = this.records.find((one) => one.kind === "scans" && one.entry.scan_id === id);
    if (!record) return;
    record.acted = verdict;
    record.entry.shown = verdict;
    this._keep(record);
  }

  // Participations of which something has not been answered yet.
  get busy() {
    return new Set(this.records.map((record) => record.participation).filter(Boolean));
  }

  // Send now what waits. One request at a time; asked meanwhile, it goes on until nothing is left to send.
  flush() {
    this.again = true;
    this.sending ??= this._run().finally(() => {
      this.sending = null;
    });
    return this.sending;
  }

  async _run() {
    clearTimeout(this.timer);
    while (this.again) {
      this.again = false;
      for (let some = this._next(); some.length; some = this._next()) {
        if (!(await this._send(some))) return;
      }
    }
  }

  // The oldest entries of one kind: order between kinds is kept, a flag never overtakes its scan. Entries made
  // under another enrolment of this phone leave under that one's token.
  _next() {
    const open = this.records.filter((record) => !record.stuck);
    const first = open[0];
    const until = open.findIndex((record) => record.kind !== first.kind || record.token !== first.token);
    const some = open.slice(0, until < 0 ? MOST : Math.min(until, MOST));
    return this.single ? some.slice(0, 1) : some;
  }

  async _send(some) {
    const { kind, token } = some[0];
    const body = { sent_at: new Date().toISOString(), [kind]: some.map((record) => record.entry) };
    try {
      const reply = await call(PATHS[kind], { token, body });
      const answers = reply[ANSWERS[kind]];
      if (!Array.isArray(answers) || answers.length !== some.length) throw new Failure(0, "unreadable", "");
      await this._answered(some, answers);
      return true;
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      return this._failed(some, failure);
    }
  }

  async _answered(some, answers) {
    this.failures = 0;
    const revoked = answers.some((answer) => answer.verdict === "revoked");
    this.stopped = revoked ? new Failure(403, "device-revoked", "") : null;
    this.single = false;
    this.lastContact = new Date();
    this.records = this.records.filter((record) => !some.includes(record));
    // A failing removal only means that the entry is sent once more, with the same id.
    await this.store.remove(some.map((record) => record.id)).catch(() => {});
    some.forEach((record, index) => {
      this.dispatchEvent(new CustomEvent("answer", { detail: { record, answer: answers[index] } }));
    });
    this._changed();
  }

  async _failed(some, failure) {
    if (failure.stops && some[0].token === this.token) {
      this.stopped = failure;
      this.failures += 1;
      this._later(STOPPED_WAIT_MS);
      return false;
    }
    if (failure.passes) {
      this.failures += 1;
      this._later(WAITS_MS[Math.min(this.failures, WAITS_MS.length) - 1]);
      return false;
    }
    // Refused as a whole: one at a time from now on, and what is refused alone is shown, never dropped.
    if (some.length > 1 && !failure.stops) {
      this.single = true;
      return true;
    }
    for (const record of some) {
      record.stuck = failure.message;
      await this.store.put(record).catch(() => {});
    }
    this._changed();
    return true;
  }

  // Another call of this phone got through, or did not: the queue learns from it.
  reached() {
    const away = this.failures > 0 || this.stopped;
    this.failures = 0;
    this.stopped = null;
    this.lastContact = new Date();
    this._changed();
    if (away || this.waiting) this.flush();
  }

  missed(failure) {
    if (!failure.passes) return;
    this.failures += 1;
    this._changed();
  }

  // The organiser switched this phone off, or its time is over.
  stop(failure) {
    this.stopped = failure;
    this._changed();
  }

  _later(wait) {
    this._changed();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), wait);
  }

  // Try again what the server refused to read, too: a person asked for it.
  retryAll() {
    for (const record of this.records) record.stuck = "";
    return this.flush();
  }

  _changed() {
    this.dispatchEvent(new Event("change"));
  }
}
