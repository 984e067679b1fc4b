// One guest after another: the phone decides by its pack, tells the app, and shows what the app knows better.
//
// With network the app is asked first and has ANSWER_MS to say its verdict, because it knows the other doors; without
// network, or when it is slow, the phone's own verdict counts. Which one somebody acted on travels with the scan.

import { after, decide, localTime } from "./admission.js";
import { fullName, newId, say } from "./words.js";

const CHECKING_AFTER_MS = 350;
const ANSWER_MS = 700;
const PENDING_AFTER_MS = 2500;
const LET_IN = ["admitted", "conflict"];
const REFUSED = ["already_admitted", "cancelled", "wrong_gate"];
const TICKET_LINK = /^https?:\/\/[^\s?#]+\/t\/([A-Za-z0-9_-]+)\/?(?:[?#].*)?$/;

export function ticketCode(text) {
  const code = text.trim();
  return (TICKET_LINK.exec(code)?.[1] ?? code).slice(0, 64);
}

export class Desk {
  // where(): {gate, direction} of the next scan. supervises: may take back what others did.
  constructor({ outbox, pack, view, panel, where, supervises }) {
    Object.assign(this, { outbox, pack, view, panel, where, supervises });
    this.current = null;
    this.undoable = null;
    panel.addEventListener("flag", (event) => this.flag(event.detail));
    outbox.addEventListener("answer", (event) => this._answered(event.detail));
    outbox.addEventListener("change", () => {
      if (outbox.failures && this.current?.open) this._decideAlone(this.current);
    });
  }

  // One guest: by ticket or, found by name, by participation; `found` is their record in the pack, if known.
  async scan(target, { person = null, found = null, seenAt = performance.now() } = {}) {
    const one = this._one(target, person, seenAt);
    this._open(one);
    one.local = await this._judge(one, found);
    return this._send(one);
  }

  // Several colleagues at once, each a scan of their own.
  async scanAll(some) {
    const all = [];
    for (const found of some) {
      const one = this._one({ participation: found.record.participation }, found.record, performance.now());
      one.local = await this._judge(one, found);
      this._act(one);
      all.push(this._send(one));
    }
    this.undoable = null;
    const names = some.map(({ record }) => fullName(record)).join(", ");
    this.view.show("admitted", { person: { company: some[0]?.record.company }, message: names });
    await Promise.all(all);
  }

  _one(target, person, seenAt) {
    const entry = { scan_id: newId(), ...target, ...this.where(), scanned_at: new Date().toISOString() };
    return { id: entry.scan_id, target, person, entry, seenAt, local: null, acted: "", open: true };
  }

  // The phone's own decision; null without a pack.
  async _judge({ target, entry }, known) {
    if (this.pack.expired) await this.pack.wipe();
    const { stopped } = this.outbox;
    if (!this.pack.ready && !stopped) return null;
    const found = known ?? (this.pack.ready && target.ticket ? await this.pack.find(ticketCode(target.ticket)) : null);
    if (this.pack.ready && !found && !target.ticket) return null;
    const skew = this.pack.head?.skew ?? 0;
    const passing = { ...entry, at: Date.parse(entry.scanned_at) - skew, shown: "", late: false };
    const place = this.pack.head?.place ?? { event: "here", gates: [], defined: [], calledOff: false };
    const ticket = found === "other" ? { event: "other", passages: {}, flags: [] } : (found?.ticket ?? null);
    const decided = decide({ ...place, revoked: Boolean(stopped) }, ticket, passing);
    return { ...decided, found: found === "other" ? null : found, passing, place };
  }

  _send(one) {
    const { entry, local, target } = one;
    const participation = local?.found?.record.participation ?? target.participation;
    if (one.open && this.outbox.offline) this._decideAlone(one);
    // Decided before the app was asked: it has to know what somebody acted on.
    if (one.acted && this.outbox.offline) entry.shown = one.acted;
    const told = fullName(one.person ?? local?.found?.record) || String(target.ticket ?? "").slice(-28);
    return this.outbox.add("scans", one.id, entry, told, { participation, acted: one.acted });
  }

  // A guest stands here and waits: say so when the answer takes long.
  _open(one) {
    clearTimeout(this.timer);
    this.current = one;
    this.undoable = { scan_id: one.id };
    this.view.clear();
    this.panel.leave();
    const checking = () => {
      this.view.show("checking", { quietly: true });
      const rest = one.local ? ANSWER_MS : PENDING_AFTER_MS;
      this.timer = setTimeout(() => this._decideAlone(one), rest - CHECKING_AFTER_MS);
    };
    if (!this.outbox.offline) this.timer = setTimeout(checking, CHECKING_AFTER_MS);
  }

  _decideAlone(one) {
    if (!one.open) return;
    if (!one.local) return this._pending(one);
    this._act(one);
    this.outbox.acted(one.id, one.acted);
    const { verdict, found } = one.local;
    this._show(one, verdict, { person: found?.record ?? null, message: this._whyAlone(one.local) });
  }

  // Somebody acts on the phone's verdict from here on; what it let happen is remembered.
  _act(one) {
    one.open = false;
    one.acted = one.local?.verdict ?? "";
    if (one.local?.effects.length) this._remember(one.local, one.local);
  }

  _remember({ place, passing, found }, decision) {
    if (!found) return;
    this.pack.passed(found.record.participation, after(place, found.ticket, passing, decision), found.number);
  }

  _whyAlone({ verdict, first, passing }) {
    const zone = this.pack.head?.device.event.time_zone;
    const fresh = this.pack.head ? localTime(this.pack.head.freshAt - this.pack.head.skew, zone, passing.at) : "";
    if (verdict === "already_admitted" && first !== null) {
      return say("already_since", { when: localTime(first, zone, passing.at) });
    }
    if (verdict === "unknown") return say("not_on_list", { when: fresh });
    if (verdict === "revoked") return say("device_stopped");
    return LET_IN.includes(verdict) ? say("decided_alone", { when: fresh }) : "";
  }

  _show(one, verdict, { person, message, quietly = false }) {
    clearTimeout(this.timer);
    const exit = one.entry.direction === "exit";
    const known = one.local?.found?.record;
    const whole = person ? { ...person, notes: person.notes ?? known?.notes } : null;
    this.view.show(verdict, { person: whole, message, quietly, exit });
    this.view.box.dataset.tookMs = String(Math.round(performance.now() - one.seenAt));
    if (person) this.panel.aim({ participation: person.participation }, person);
    else this.panel.leave();
    if (!LET_IN.includes(verdict)) this.undoable = this._foreign(one, verdict, person);
    if (LET_IN.includes(verdict) && !exit) this._offerColleagues(one);
  }

  // A supervisor may take back an arrival somebody else noted.
  _foreign(one, verdict, person) {
    const mine = this.undoable?.scan_id === one.id ? null : this.undoable;
    return this.supervises && verdict === "already_admitted" && person ? { participation: person.participation } : mine;
  }

  async _offerColleagues(one) {
    const record = one.local?.found?.record;
    if (!record) return;
    const all = await this.pack.colleagues(record);
    one.colleagues = all.filter(({ ticket }) => ticket.arrivedAt === null && !ticket.cancelled);
    if (this.current === one) this.view.offerColleagues(one.colleagues.length);
  }

  get colleagues() {
    return this.current?.colleagues ?? [];
  }

  _pending(one) {
    clearTimeout(this.timer);
    one.open = false;
    this.view.show("pending", { person: one.person, message: say("pending_text") });
    if (one.target) this.panel.aim(one.target, one.person);
  }

  walkIn(guest) {
    const person = { last_name: guest.last_name, first_name: guest.first_name, company: guest.company };
    const one = { id: guest.action_id, target: null, person, entry: guest, seenAt: performance.now(), open: true };
    this._open(one);
    this.undoable = null;
    if (this.outbox.offline) this._pending(one);
    return this.outbox.add("walk_ins", guest.action_id, guest, fullName(person));
  }

  flag({ entry, who }) {
    this.undoable = { flag: entry };
    this.outbox.add("flags", entry.action_id, entry, [who, entry.flag ?? entry.note].filter(Boolean).join(" · "));
  }

  // What an undo would take back: "flag", "arrival", "foreign" (somebody else's arrival) or "".
  get undoes() {
    const last = this.undoable;
    if (last?.flag?.flag) return "flag";
    if (last?.scan_id) return "arrival";
    return last?.participation ? "foreign" : "";
  }

  undo(reason) {
    const last = this.undoable;
    const what = this.undoes;
    this.undoable = null;
    if (!what) return this.view.toast(say("undo_nothing"));
    if (what === "flag") return this._undoFlag(last.flag);
    const whose = what === "arrival" ? { scan_id: last.scan_id } : { participation: last.participation };
    const participation = last.participation ?? this.current?.local?.found?.record.participation;
    if (participation) this.pack.forgetPassed(participation);
    const entry = { action_id: newId(), ...whose, reason, set_at: new Date().toISOString() };
    this.outbox.add("annulments", entry.action_id, entry, reason, { participation });
    return this.view.toast(say("undo_sent"));
  }

  _undoFlag(entry) {
    const back = { ...entry, action_id: newId(), on: !entry.on, set_at: new Date().toISOString() };
    delete back.note;
    this.panel.correct(entry, null);
    this.outbox.add("flags", back.action_id, back, say("undo"));
    this.view.toast(say("undo_sent"));
  }

  _answered({ record, answer }) {
    if (record.kind === "scans") this._judged(record, answer);
    else if (record.kind === "walk_ins") this._walkedIn(record.entry, answer);
    else if (record.kind === "flags") this._flagged(record.entry, answer);
    else this._undone(answer);
  }

  _judged(record, answer) {
    const { verdict, person, message } = answer;
    const one = this.current?.id === record.entry.scan_id ? this.current : null;
    const acted = record.acted || one?.acted || "";
    if (one?.open) {
      one.open = false;
      this._learn(one, answer);
      return this._show(one, verdict, { person, message });
    }
    if (acted === "admitted" && REFUSED.includes(verdict) && !record.again) this._wasLetIn(record);
    if (acted ? acted === verdict : verdict === "admitted" && !one) return undefined;
    if (one) return this._show(one, verdict, { person, message });
    return this._late(record, verdict, person);
  }

  // The app was slower than the guest: it had said no before it could know that somebody was let in. That is a fact of
  // its own, told once.
  _wasLetIn({ entry, told, participation, acted }) {
    const again = { ...entry, scan_id: newId(), shown: acted };
    this.outbox.add("scans", again.scan_id, again, told, { participation, acted, again: true });
  }

  // What the app said becomes what the phone knows, for the next time the network is away.
  _learn({ local }, { verdict, first_admitted_at: first }) {
    if (!local?.found) return;
    const known = { ...local.found, ticket: { ...local.found.ticket, arrivedAt: Date.parse(first ?? "") || null } };
    if (LET_IN.includes(verdict)) this._remember(local, local.effects.length ? local : { effects: ["arrival"] });
    else if (verdict === "already_admitted" && first && !local.found.ticket.arrivedAt) {
      this._remember({ ...local, found: known }, { effects: [] });
    }
  }

  _late(record, verdict, person) {
    const name = fullName(person) || record.told || say("somebody");
    const bad = verdict !== "admitted";
    this.view.toast(say("late_refusal", { word: say(verdict), name }), { bad });
  }

  _walkedIn(entry, answer) {
    const fine = answer.result === "done" || answer.result === "already";
    const one = this.current?.id === entry.action_id ? this.current : null;
    if (one) one.open = false;
    if (fine && one) {
      return this._show(one, "admitted", { person: answer.person, message: answer.message });
    }
    if (one) {
      clearTimeout(this.timer);
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
