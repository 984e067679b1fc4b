// The offline pack of this phone: kept in the browser's database, opened one record at a time.
// What is in it and who can read it: smart_process/pack.py.

import { call } from "./api.js";

const TOKEN_LENGTH = 3;
const PHONE_TAIL = 4;
const LOCATOR_LETTERS = 8;
const MOST_FOUND = 20;
const SHELVES = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const PRINT = 6;
const encoder = new TextEncoder();

function bytes(text) {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

function letters(raw) {
  return btoa(String.fromCharCode(...raw)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function hmacKey(raw) {
  // Not extractable: scripts can use it and not read it, also after it was kept in the database.
  return crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
}

async function hmac(key, text) {
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, encoder.encode(text)));
}

export function fold(text) {
  return text.normalize("NFC").toLowerCase().replace(/ё/g, "е");
}

export function wordsOf(text) {
  return fold(text).match(/[\p{L}\p{N}]+/gu) ?? [];
}

function beginning(word) {
  return Array.from(word).slice(0, TOKEN_LENGTH).join("");
}

function moment(text) {
  return text ? Date.parse(text) : null;
}

function passagesOf(told) {
  const known = Object.entries(told ?? {}).map(([area, one]) => [
    area,
    { first: moment(one.first), last: moment(one.last), inside: one.inside },
  ]);
  return Object.fromEntries(known);
}

// What the decision needs to know of a record.
export function ticketOf(record) {
  return {
    event: "here",
    cancelled: record.cancelled ?? false,
    arrivedAt: moment(record.arrived_at),
    passages: passagesOf(record.passages),
    flags: record.flags ?? [],
  };
}

export class Pack extends EventTarget {
  // Events: "change" (fresh, wiped). `state` overlays what this phone did itself since: participation → ticket.
  constructor(store) {
    super();
    this.store = store;
    this.forget();
  }

  forget() {
    this.head = null;
    this.unkept = false;
    this.guests = new Map();
    this.ways = new Map();
    this.others = new Set();
    this.state = new Map();
  }

  get ready() {
    return this.head !== null;
  }

  get count() {
    return this.guests.size;
  }

  // What was kept before; true when there is something to decide by.
  async load() {
    const kept = await this.store.readPack().catch(() => null);
    if (!kept?.head) return false;
    if (Date.parse(kept.head.expires_at) <= this._now(kept.head)) {
      await this.wipe();
      return false;
    }
    this._take(kept.head, kept.guests);
    for (const one of kept.passed) this.state.set(one.participation, one.ticket);
    this._changed();
    return true;
  }

  _now(head = this.head) {
    return Date.now() - (head?.skew ?? 0);
  }

  _take(head, guests) {
    this.head = head;
    this.others = new Set(head.others);
    this.guests.clear();
    this.ways.clear();
    for (const guest of guests) this._put(guest);
  }

  _drop(number) {
    for (const way of this.guests.get(number)?.ways ?? []) this.ways.get(way.slice(0, LOCATOR_LETTERS))?.delete(number);
    this.guests.delete(number);
  }

  _put(guest) {
    this._drop(guest.number);
    this.guests.set(guest.number, guest);
    for (const way of guest.ways) {
      const locator = way.slice(0, LOCATOR_LETTERS);
      if (!this.ways.has(locator)) this.ways.set(locator, new Map());
      this.ways.get(locator).set(guest.number, way.slice(LOCATOR_LETTERS));
    }
  }

  // What this phone has, as the app reckons it: see tag() in smart_process/pack.py.
  _tag() {
    const mixed = new Map(Array.from(SHELVES, (letter) => [letter, new Uint8Array(PRINT)]));
    const mix = (into, raw) => raw.slice(0, PRINT).forEach((byte, at) => (into[at] ^= byte));
    for (const { number, print } of this.guests.values()) if (print) mix(mixed.get(number[0]), bytes(print));
    const others = new Uint8Array(PRINT);
    for (const number of this.others) mix(others, bytes(number));
    return `W/"${[...mixed.values(), others].map(letters).join("")}"`;
  }

  // Ask the app what is new; once in a while have everything compared. `busy`: participations whose scans have not
  // been answered yet.
  async refresh(token, busy) {
    const began = Date.now();
    const compare = this.head && !(began - this.head.comparedAt < this.head.compare_every_s * 1000);
    const since = this.head ? `?since=${encodeURIComponent(this.head.version)}` : "";
    const tag = compare ? this._tag() : "";
    const told = await call(`/api/v1/pack${since}`, { token, tag, timeoutMs: compare || !since ? 120000 : 10000 });
    const now = { freshAt: Date.now(), ...(compare || told?.whole ? { comparedAt: Date.now() } : {}) };
    if (told) await this._learn(told, now, Math.round((began + Date.now()) / 2 - Date.parse(told.now)), busy);
    else await this._keep({ ...this.head, ...now }, {});
    this._changed();
    return this.head.device;
  }

  async _learn(told, now, skew, busy) {
    const guests = told.guests.map(([number, sealed, ways, print]) => ({ number, sealed, ways, print }));
    const head = {
      ...this.head,
      ...now,
      version: told.version,
      compare_every_s: told.compare_every_s,
      expires_at: told.expires_at,
      place: { ...told.place, event: "here", calledOff: told.place.called_off, revoked: false },
      device: told.device,
      skew: Math.abs(skew) < 5000 ? 0 : skew,
    };
    if (told.others) head.others = told.others;
    if (told.whole) {
      head.salt = await hmacKey(bytes(told.salt));
      head.search = await hmacKey(bytes(told.search));
    }
    const gone = told.whole ? [] : this._missing(told.shelves, guests);
    if (told.whole) this._take(head, guests);
    else {
      this.others = new Set(head.others);
      for (const number of gone) this._drop(number);
      for (const guest of guests) this._put(guest);
    }
    await this._settle(told.whole ? null : guests, busy);
    await this._keep(head, { whole: told.whole, fresh: guests, gone });
  }

  // Whom this phone has on these shelves and the app does not.
  _missing(shelves, guests) {
    const there = new Set(guests.map((guest) => guest.number));
    return [...this.guests.keys()].filter((number) => shelves.includes(number[0]) && !there.has(number));
  }

  async _keep(head, { whole = false, fresh = [], gone = [] }) {
    this.head = head;
    const news = { whole: whole || this.unkept, fresh, gone };
    try {
      await this.store.keepPack(head, [...this.guests.values()], news);
      this.unkept = false;
    } catch {
      // Full storage: the pack is in memory for as long as the page lives, and kept as a whole as soon as there is room.
      this.unkept = true;
    }
  }

  // The journal knows better what this phone remembers of guests whose scans have all been answered.
  async _settle(guests, busy) {
    const news = guests === null ? null : new Set(guests.map((guest) => guest.number));
    const done = [...this.state].filter(([participation, ticket]) => {
      return !busy.has(participation) && (news === null || news.has(ticket.number));
    });
    for (const [participation] of done) this.state.delete(participation);
    await this.store.dropPassed(done.map(([participation]) => participation)).catch(() => {});
  }

  async wipe() {
    this.forget();
    await this.store.wipePack().catch(() => {});
    this._changed();
  }

  // Whether the event is over for this phone.
  get expired() {
    return this.ready && Date.parse(this.head.expires_at) <= this._now();
  }

  // Whose ticket a code is: {record, ticket, number}, "other" for another event's, null for nobody's.
  async find(code) {
    const digest = await hmac(this.head.salt, code);
    const number = letters(digest.slice(16, 25));
    const guest = this.guests.get(number);
    if (!guest) return this.others.has(number) ? "other" : null;
    return this._open(guest, digest.slice(0, 16));
  }

  async _open(guest, rawKey) {
    const whole = bytes(guest.sealed);
    const key = await crypto.subtle.importKey("raw", rawKey, "AES-GCM", false, ["decrypt"]);
    const plain = await crypto.subtle.decrypt({ name: "AES-GCM", iv: whole.slice(0, 12) }, key, whole.slice(12));
    const record = JSON.parse(new TextDecoder().decode(plain));
    const ticket = this.state.get(record.participation) ?? ticketOf(record);
    return { record, ticket, number: guest.number };
  }

  async _behind(token) {
    const locator = letters((await hmac(this.head.search, `find ${token}`)).slice(0, 6));
    const found = [...(this.ways.get(locator) ?? [])];
    return Promise.all(
      found.map(async ([number, wrapped]) => {
        const pad = await hmac(this.head.search, `open ${token} ${number}`);
        return this._open(this.guests.get(number), bytes(wrapped).map((byte, at) => byte ^ pad[at]));
      }),
    );
  }

  // Guests with every word of the query as the beginning of a word of theirs, in any order; digits are a phone's tail.
  async search(query) {
    const wanted = wordsOf(query);
    const tail = query.replace(/\D/g, "").slice(-PHONE_TAIL);
    const byPhone = tail.length === PHONE_TAIL && !/\p{L}/u.test(query);
    if (!this.ready || !wanted.length) return [];
    const longest = wanted.reduce((one, other) => (other.length > one.length ? other : one));
    const found = await this._behind(byPhone ? `+${tail}` : beginning(longest));
    const fits = ({ record }) => byPhone || wanted.every((word) => this._has(record, word));
    return found.filter(fits).sort(expectedFirst).slice(0, MOST_FOUND);
  }

  _has(record, word) {
    const told = `${record.last_name ?? ""} ${record.first_name ?? ""} ${record.company ?? ""} ${record.also ?? ""}`;
    return wordsOf(told).some((one) => one.startsWith(word));
  }

  // Who else of somebody's company is on the list.
  async colleagues(record) {
    if (!this.ready || !record.colleagues) return [];
    const found = await this._behind(record.colleagues);
    return found.filter((one) => one.record.participation !== record.participation).sort(expectedFirst);
  }

  // Remember what this phone let happen, over reloads as well.
  async passed(participation, ticket, number) {
    const kept = { ...ticket, number };
    this.state.set(participation, kept);
    await this.store.keepPassed(participation, kept).catch(() => {});
  }

  // An undo: the list counts again.
  async forgetPassed(participation) {
    this.state.delete(participation);
    await this.store.dropPassed([participation]).catch(() => {});
  }

  _changed() {
    this.dispatchEvent(new Event("change"));
  }
}

function expectedFirst(one, other) {
  const came = Number(one.ticket.arrivedAt !== null) - Number(other.ticket.arrivedAt !== null);
  const name = ({ record }) => `${record.last_name ?? ""} ${record.first_name ?? ""}`;
  return came || name(one).localeCompare(name(other));
}
