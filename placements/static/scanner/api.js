// Calls to the app. Every failure becomes a Failure that says whether trying again can help.

export class Failure extends Error {
  // status 0: no answer at all. code: the last word of the problem's type.
  constructor(status, code, detail) {
    super(detail || code);
    this.status = status;
    this.code = code;
  }

  // Worth another try by itself, unchanged.
  get passes() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }

  // This phone is not (or no longer) allowed to call.
  get stops() {
    return this.status === 401 || this.status === 403;
  }
}

// What this phone tells of itself with every call.
const self = { queue: 0, version: "" };

export function tellOfSelf(news) {
  Object.assign(self, news);
}

// The answer; null when `tag` says that it is known.
export async function call(path, { token, body, tag, timeoutMs = 8000 } = {}) {
  const headers = { Accept: "application/json" };
  if (tag) headers["If-None-Match"] = tag;
  if (token) {
    headers.Authorization = `Bearer ${token}`;
    headers["X-Door-Queue"] = String(self.queue);
    headers["X-Door-Clock"] = new Date().toISOString();
    headers["X-Door-Version"] = self.version;
  }
  if (body) headers["Content-Type"] = "application/json";
  // Not AbortSignal.timeout(): iPhones that get no newer Safari lack it.
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), timeoutMs);
  try {
    return await answered(path, { headers, body, tag, signal: patience.signal });
  } finally {
    clearTimeout(timer);
  }
}

async function answered(path, { headers, body, tag, signal }) {
  let reply;
  try {
    reply = await fetch(path, {
      method: body ? "POST" : "GET",
      headers,
      body: body ? JSON.stringify(body) : undefined,
      cache: "no-store",
      credentials: "omit",
      signal,
    });
  } catch {
    throw new Failure(0, "no-network", "");
  }
  if (tag && reply.status === 304) return null;
  const answer = await reply.json().catch(() => null);
  if (reply.ok && answer) return answer;
  if (reply.ok) throw new Failure(0, "unreadable", "");
  throw new Failure(reply.status, String(answer?.type ?? "").split(":").pop(), answer?.detail ?? "");
}
