// The one decision at the door, the twin of smart_process/admission.py: no I/O, no clock.
// Both are held together by tests/admission_cases.json. Moments are milliseconds since the epoch.

const GROUNDS = "";
const NAMELESS = ["unknown", "wrong_event", "invalid", "revoked"];
const OVERRULED = ["wrong_gate", "cancelled", "already_admitted"];
export const LATE_MS = 60000;

function gateOf(place, name) {
  return place.defined.find((gate) => gate.name === name) ?? { name, kind: "entrance", flag: "", reentry: false };
}

function areaOf(gate) {
  return gate.kind === "entrance" ? GROUNDS : gate.name;
}

// Whether and when the holder passed into an area: {first, last, inside} or null.
function passage(ticket, area) {
  const known = Object.hasOwn(ticket.passages, area) ? ticket.passages[area] : null;
  if (area !== GROUNDS) return known;
  if (ticket.arrivedAt === null) return null;
  return known ?? { first: ticket.arrivedAt, last: ticket.arrivedAt, inside: true };
}

function andThen(known, at, entry) {
  const first = entry ? Math.min(known.first, at) : known.first;
  return at >= known.last ? { first, last: at, inside: entry } : { ...known, first };
}

// place {event, gates, defined, calledOff, revoked}; ticket {event, cancelled, arrivedAt, passages, flags} or null;
// passing {gate, at, direction, shown, late} → {verdict, first, effects, overruled}
export function decide(place, ticket, passing) {
  const refusal = refusalOf(place, ticket, passing);
  if (ticket === null || NAMELESS.includes(refusal)) return decision(refusal ?? "unknown");
  const gate = gateOf(place, passing.gate);
  const known = passage(ticket, areaOf(gate));
  const first = known?.first ?? null;
  if (passing.direction === "exit") return wayOut(gate, known, refusal);
  const verdict = refusal ?? (known?.inside ? "already_admitted" : "admitted");
  if (OVERRULED.includes(verdict) && passing.shown === "admitted") {
    return decision("conflict", first ?? passing.at, effectsOf(gate, ticket, known), verdict);
  }
  if (verdict === "admitted") return decision(verdict, first ?? passing.at, effectsOf(gate, ticket, known));
  return decision(verdict, first, earlier(gate, ticket, passing, verdict));
}

function decision(verdict, first = null, effects = [], overruled = "") {
  return { verdict, first, effects, overruled };
}

function refusalOf(place, ticket, passing) {
  if (place.revoked) return "revoked";
  if (ticket === null) return "unknown";
  if (ticket.event !== place.event) return "wrong_event";
  if (place.gates.length && !place.gates.includes(passing.gate)) return "wrong_gate";
  // Whoever is inside may leave.
  if (passing.direction === "entry" && (ticket.cancelled || place.calledOff)) return "cancelled";
  return null;
}

function wayOut(gate, known, refusal) {
  const first = known?.first ?? null;
  if (refusal) return decision(refusal, first);
  if (!gate.reentry) return decision("invalid");
  return known?.inside ? decision("admitted", first, ["passage"]) : decision("already_admitted", first);
}

function effectsOf(gate, ticket, known) {
  const flag = gate.flag && !ticket.flags.includes(gate.flag) ? ["flag"] : [];
  if (areaOf(gate) === GROUNDS) {
    // Back from outside is a passage; somebody let in twice is a second arrival, so that both are seen.
    const back = known !== null && !known.inside && !ticket.cancelled;
    return [back ? "passage" : "arrival", ...flag];
  }
  const arrives = ticket.arrivedAt === null || ticket.cancelled;
  return [...(arrives ? ["arrival"] : []), "passage", ...flag];
}

// The earliest true arrival wins, also when it is learned late from a phone that had no network.
function earlier(gate, ticket, passing, verdict) {
  const known = ticket.arrivedAt;
  const wins = areaOf(gate) === GROUNDS && known !== null && passing.late && passing.at < known;
  return wins && verdict === "already_admitted" ? ["arrival"] : [];
}

// The ticket after what a decision recorded.
export function after(place, ticket, passing, { effects }) {
  const gate = gateOf(place, passing.gate);
  let now = ticket;
  if (effects.includes("arrival")) {
    now = { ...now, arrivedAt: Math.min(passing.at, now.arrivedAt ?? passing.at), cancelled: false };
  }
  if (effects.includes("passage")) {
    const entry = passing.direction === "entry";
    const known = passage(now, areaOf(gate)) ?? { first: passing.at, last: passing.at, inside: entry };
    now = { ...now, passages: { ...now.passages, [areaOf(gate)]: andThen(known, passing.at, entry) } };
  }
  if (effects.includes("flag")) now = { ...now, flags: [...now.flags, gate.flag] };
  return now;
}

// A moment as the door tells it: the hour in the event's zone, with the day when it is another.
export function localTime(at, timeZone, now) {
  if (at === null) return "";
  const there = parts(at, timeZone);
  const today = parts(now, timeZone);
  const clock = `${there.hour}:${there.minute}`;
  const same = ["year", "month", "day"].every((name) => there[name] === today[name]);
  return same ? clock : `${there.day}.${there.month} ${clock}`;
}

function parts(at, timeZone) {
  const wanted = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" };
  const options = { ...wanted, hourCycle: "h23", timeZone };
  let format;
  try {
    format = new Intl.DateTimeFormat("en-GB", options);
  } catch {
    // A zone this phone does not know.
    format = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: "UTC" });
  }
  return Object.fromEntries(format.formatToParts(new Date(at)).map(({ type, value }) => [type, value]));
}
