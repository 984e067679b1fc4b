// What must survive a reload, a crash and a dead battery: entries not sent yet and the offline pack, in IndexedDB.
// Where IndexedDB does not work (private windows of old phones) localStorage keeps the entries, and then memory, said
// aloud; the pack is then fetched anew after a reload.

const NAME = "door";
const OUTBOX = "outbox";
const GUESTS = "guests";
const PASSED = "passed";
const KEPT = "kept";

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function finished(transaction) {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

class Database {
  static async open() {
    const store = new Database();
    await store._connect();
    return store;
  }

  async _connect() {
    const request = indexedDB.open(NAME, 2);
    request.onupgradeneeded = ({ oldVersion }) => {
      const db = request.result;
      if (oldVersion < 1) db.createObjectStore(OUTBOX, { keyPath: "id" });
      db.createObjectStore(GUESTS, { keyPath: "number" });
      db.createObjectStore(PASSED, { keyPath: "participation" });
      db.createObjectStore(KEPT);
    };
    const db = await done(request);
    // Another tab brings a newer version of the scanner: do not stand in its way.
    db.onversionchange = () => db.close();
    this.db = db;
  }

  // iPhones drop the connection while the page is in the background: what fails is tried once more over a new one.
  async _through(work) {
    try {
      return await work();
    } catch (failure) {
      if (failure?.name === "QuotaExceededError") throw failure;
      await this._connect();
      return work();
    }
  }

  _write(tables, work) {
    return this._through(async () => {
      const transaction = this.db.transaction(tables, "readwrite", { durability: "strict" });
      const ended = finished(transaction);
      work(...tables.map((name) => transaction.objectStore(name)));
      await ended;
    });
  }

  put(record) {
    return this._write([OUTBOX], (outbox) => outbox.put(record));
  }

  remove(ids) {
    return this._write([OUTBOX], (outbox) => ids.forEach((id) => outbox.delete(id)));
  }

  all() {
    return this._through(() => done(this.db.transaction(OUTBOX).objectStore(OUTBOX).getAll()));
  }

  readPack() {
    return this._through(() => this._readPack());
  }

  async _readPack() {
    const transaction = this.db.transaction([GUESTS, PASSED, KEPT]);
    const [head, guests, passed] = await Promise.all([
      done(transaction.objectStore(KEPT).get("head")),
      done(transaction.objectStore(GUESTS).getAll()),
      done(transaction.objectStore(PASSED).getAll()),
    ]);
    return { head, guests, passed };
  }

  // Everybody anew where the list was wiped to make room; otherwise who is new and who is gone.
  keepPack(head, everybody, { whole, fresh, gone }) {
    return this._write([GUESTS, KEPT], (known, kept) => {
      const keep = (anew) => {
        // First, as some private windows take no keys.
        kept.put(head, "head");
        if (anew) known.clear();
        for (const number of gone) known.delete(number);
        for (const guest of anew ? everybody : fresh) known.put(guest);
      };
      kept.count("head").onsuccess = ({ target }) => {
        try {
          keep(whole || !target.result);
        } catch {
          target.transaction.abort();
        }
      };
    });
  }

  keepPassed(participation, ticket) {
    return this._write([PASSED], (passed) => passed.put({ participation, ticket }));
  }

  async dropPassed(participations) {
    if (participations.length) await this._write([PASSED], (passed) => participations.forEach((one) => passed.delete(one)));
  }

  wipePack() {
    return this._write([GUESTS, PASSED, KEPT], (...all) => all.forEach((table) => table.clear()));
  }
}

class Local {
  _read() {
    return JSON.parse(localStorage.getItem(NAME) || "{}");
  }

  _write(records) {
    localStorage.setItem(NAME, JSON.stringify(records));
  }

  async put(record) {
    this._write({ ...this._read(), [record.id]: record });
  }

  async remove(ids) {
    const records = this._read();
    for (const id of ids) delete records[id];
    this._write(records);
  }

  async all() {
    return Object.values(this._read());
  }

  async readPack() {
    return null;
  }

  async keepPack() {
    throw new Error("no database");
  }

  async keepPassed() {}

  async dropPassed() {}

  async wipePack() {}
}

export async function openStore() {
  try {
    const store = await Database.open();
    navigator.storage?.persist?.().catch(() => {});
    return store;
  } catch {
    return new Local();
  }
}
