// What must survive a reload, a crash and a dead battery: entries not sent yet, in IndexedDB.
// Where IndexedDB does not work (private windows of old phones) localStorage does, and then memory, said aloud.

const NAME = "door";
const TABLE = "outbox";

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
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(TABLE, { keyPath: "id" });
    const store = new Database();
    store.db = await done(request);
    return store;
  }

  _write() {
    return this.db.transaction(TABLE, "readwrite", { durability: "strict" });
  }

  async put(record) {
    const transaction = this._write();
    transaction.objectStore(TABLE).put(record);
    await finished(transaction);
  }

  async remove(ids) {
    const transaction = this._write();
    for (const id of ids) transaction.objectStore(TABLE).delete(id);
    await finished(transaction);
  }

  async all() {
    return done(this.db.transaction(TABLE).objectStore(TABLE).getAll());
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
