// The whole door for a supervisor: gates by the minute, silent phones, disputed passages, important guests.

import { call } from "./api.js";
import { clock, make, say } from "./words.js";

const EVERY_MS = 10000;
const SVG = "http://www.w3.org/2000/svg";
const at = (id) => document.getElementById(id);

export function wireLive({ token, timeZone }) {
  const dialog = at("live-dialog");
  let timer = 0;

  async function ask() {
    clearTimeout(timer);
    try {
      draw(await call("/api/v1/live", { token }), timeZone);
    } catch (failure) {
      const seen = at("live-state").dataset.at;
      const why = failure.status ? failure.message : say("offline");
      at("live-state").textContent = seen ? `${why}. ${say("live_at", { when: seen })}` : why;
    }
    if (dialog.open) timer = setTimeout(ask, EVERY_MS);
  }

  at("live").addEventListener("click", () => {
    dialog.showModal();
    ask();
  });
  dialog.addEventListener("close", () => clearTimeout(timer));
}

function draw(told, timeZone) {
  const when = (moment) => (moment ? clock(new Date(moment), timeZone) : "–");
  at("live-state").dataset.at = when(told.now);
  at("live-state").textContent = say("live_at", { when: when(told.now) });
  at("live-arrived").textContent = say("live_total", { n: told.arrived, of: told.expected });
  const { open, needed } = told.lanes;
  at("live-lanes").textContent = say("live_lanes", { n: open, needed });
  at("live-lanes").classList.toggle("error", open < needed);
  at("live-queued").hidden = !told.queued;
  at("live-queued").textContent = say("live_queued", { n: told.queued });
  at("live-minutes").replaceChildren(chart(told.minutes, told.planned, 60));
  at("live-gates").replaceChildren(...told.gates.map(gateLine));
  list("live-silent", told.silent, (one) => [
    one.name,
    say("live_seen", { when: when(one.seen_at) }),
    one.queue ? say("unsent", { n: one.queue }) : "",
  ]);
  list("live-cases", told.cases, (one) => [
    one.name,
    say(`case_${one.why}`),
    ...one.showings.map((shown) => [when(shown.at), shown.gate || "–", shown.device].join(" · ")),
  ]);
  const more = told.cases_in_all - told.cases.length;
  at("live-cases-more").hidden = more <= 0;
  at("live-cases-more").textContent = say("live_more", { n: more });
  list("live-important", told.important, (one) => [one.name, [when(one.at), one.gate].filter(Boolean).join(" · ")]);
}

// A list with its heading; both are away when there is nothing.
function list(id, some, lines) {
  at(id).closest("section").hidden = !some.length;
  at(id).replaceChildren(
    ...some.map((one) => {
      const [first, ...rest] = lines(one).filter(Boolean);
      const item = make("li", "waiting");
      item.append(make("strong", "", first), ...rest.map((line) => make("span", "quiet", line)));
      return item;
    }),
  );
}

function gateLine(gate) {
  const item = make("li", "waiting gate-now");
  const last = gate.minutes.slice(-5).reduce((sum, one) => sum + one, 0);
  const pace = say("live_pace", { n: last });
  item.append(
    make("strong", "", `${gate.name || "–"}: ${say("live_arrived", { n: gate.people, of: gate.of })}`),
    make("span", gate.phones ? "quiet" : "error", `${pace} · ${say("live_phones", { n: gate.phones })}`),
    chart(gate.minutes, [], 20),
  );
  return item;
}

// Bars for what happened, a line for what the plan expected; said in words beside it.
function chart(minutes, planned, height) {
  const most = Math.max(1, ...minutes, ...planned);
  const svg = document.createElementNS(SVG, "svg");
  const y = (count) => (height - ((height - 2) * count) / most).toFixed(1);
  svg.setAttribute("viewBox", `0 0 ${minutes.length * 10} ${height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "minutes");
  svg.setAttribute("aria-hidden", "true");
  minutes.forEach((count, minute) => {
    if (count) svg.append(shape("rect", { x: minute * 10 + 1, y: y(count), width: 8, height: height - y(count) }));
  });
  if (planned.some(Boolean)) {
    svg.append(shape("polyline", { points: planned.map((count, minute) => `${minute * 10 + 5},${y(count)}`).join(" ") }));
  }
  return svg;
}

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
