// Typed codes, the name search, walk-ins, and the list of what was not sent.

import { call } from "./api.js";
import { clock, fullName, make, newId, say } from "./words.js";

const SEARCH_REST_MS = 250;
const at = (id) => document.getElementById(id);

export function wireDialogs() {
  for (const opener of document.querySelectorAll("[data-opens]")) {
    opener.addEventListener("click", () => at(opener.dataset.opens).showModal());
  }
  for (const closer of document.querySelectorAll("[data-closes]")) {
    closer.addEventListener("click", () => closer.closest("dialog").close());
  }
}

// What a keyboard writes in the Russian or Kazakh layout where a Latin letter was meant: USB scanners press keys.
const RUSSIAN = "йцукенгшщзхъфывапролджэячсмитьбю.ё";
const LATIN = "qwertyuiop[]asdfghjkl;'zxcvbnm,./`";
const SHIFTED = { Ж: ":", Х: "{", Ъ: "}", Э: '"', Б: "<", Ю: ">", ",": "?" };

export function latinKeys(text) {
  if (!/[а-яё]/i.test(text)) return text;
  return Array.from(text, (letter) => {
    if (letter in SHIFTED) return SHIFTED[letter];
    const at = RUSSIAN.indexOf(letter.toLowerCase());
    if (at < 0) return letter;
    return letter === letter.toLowerCase() ? LATIN[at] : LATIN[at].toUpperCase();
  }).join("");
}

// A code typed by hand or by a USB scanner, which types wherever the page is.
export function wireCode(onCode) {
  const input = at("code");
  at("code-form").addEventListener("submit", () => {
    const text = latinKeys(input.value.trim());
    input.value = "";
    if (text) onCode(text);
  });
  document.addEventListener("keydown", (event) => {
    const elsewhere = document.querySelector("dialog[open]") || event.target.closest("input, select, textarea");
    if (elsewhere || event.key.length !== 1 || event.key === " " || event.ctrlKey || event.metaKey || event.altKey) return;
    input.value = "";
    at("code-dialog").showModal();
    input.focus();
  });
}

// People by name: at once from this phone's list, then, with network, what the app finds as well.
export function wireSearch({ token, timeZone, pack }, onPerson) {
  const input = at("search");
  const nothing = at("found-nothing");
  let timer = 0;
  let asked = 0;

  function draw(lines) {
    at("found").replaceChildren(...lines);
    tell("");
  }

  function tell(text) {
    nothing.textContent = text;
    nothing.hidden = !text;
  }

  function line(person, found) {
    const button = make("button", "found-person");
    button.type = "button";
    const came = person.arrived_at ? say("arrived_at", { when: clock(new Date(person.arrived_at), timeZone) }) : "";
    const cancelled = person.cancelled ? say("cancelled") : "";
    button.append(
      make("strong", "", fullName(person)),
      make("span", "quiet", [person.company, person.position, came, cancelled].filter(Boolean).join(" · ")),
    );
    button.addEventListener("click", () => {
      at("search-dialog").close();
      input.value = "";
      asked += 1;
      draw([]);
      onPerson(person, found);
    });
    const item = make("li");
    item.append(button);
    return item;
  }

  // What the app finds is added below: a line somebody has the finger or the keyboard on stays where it is.
  async function search() {
    const query = input.value.trim();
    const mine = ++asked;
    if (query.replace(/\s/g, "").length < 2) return draw([]);
    const here = await pack.search(query);
    if (mine !== asked) return undefined;
    draw(here.map((found) => line({ ...found.record, ...stateOf(found.ticket) }, found)));
    const orElse = (text) => tell(at("found").children.length ? "" : text);
    try {
      const { people } = await call(`/api/v1/people?q=${encodeURIComponent(query)}`, { token });
      if (mine !== asked) return undefined;
      const known = new Set(here.map(({ record }) => record.participation));
      const more = people.filter((person) => !known.has(person.participation));
      at("found").append(...more.map((person) => line(person, null)));
      return orElse(say("search_nothing"));
    } catch (failure) {
      if (mine !== asked) return undefined;
      const alone = pack.ready ? say("search_nothing_here") : say("search_offline");
      return orElse(failure.status ? failure.message : alone);
    }
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, SEARCH_REST_MS);
  });
}

function stateOf(ticket) {
  const arrived = ticket.arrivedAt === null ? null : new Date(ticket.arrivedAt).toISOString();
  return { arrived_at: arrived, cancelled: ticket.cancelled };
}

// Who else of the company is expected: tick those who stand here.
export function wireColleagues(view, desk) {
  const dialog = at("colleagues-dialog");
  const list = at("colleagues-list");
  let some = [];
  view.addEventListener("colleagues", () => {
    some = desk.colleagues;
    list.replaceChildren(
      ...some.map(({ record }, number) => {
        const label = make("label", "check");
        const box = make("input");
        box.type = "checkbox";
        box.value = String(number);
        label.append(box, make("span", "", [fullName(record), record.position].filter(Boolean).join(" · ")));
        const item = make("li");
        item.append(label);
        return item;
      }),
    );
    dialog.showModal();
  });
  at("colleagues-form").addEventListener("submit", () => {
    const ticked = [...list.querySelectorAll("input:checked")].map((box) => some[Number(box.value)]);
    if (ticked.length) desk.scanAll(ticked);
  });
}

// Undo: at once for what this phone just did, with a reason where a supervisor takes an arrival back.
export function wireUndo(desk) {
  const dialog = at("undo-dialog");
  at("undo").addEventListener("click", () => {
    const what = desk.undoes;
    const asks = what === "foreign" || (desk.supervises && what === "arrival");
    if (!asks) return desk.undo(say("undo_reason"));
    at("undo-reason").value = "";
    return dialog.showModal();
  });
  at("undo-form").addEventListener("submit", () => desk.undo(at("undo-reason").value.trim()));
}

export function wireWalkIn(currentGate, onGuest) {
  const form = at("walk-in-form");
  form.addEventListener("submit", () => {
    const told = Object.fromEntries([...new FormData(form)].filter(([, value]) => value.trim()));
    form.reset();
    onGuest({ action_id: newId(), ...told, gate: currentGate(), set_at: new Date().toISOString() });
  });
}

export function wireQueue(outbox, pack, timeZone) {
  const dialog = at("queue-dialog");

  function line(record) {
    const item = make("li", "waiting");
    const when = clock(new Date(record.order), timeZone);
    item.append(make("strong", "", `${say(`kind_${record.kind}`)} · ${when}`), make("span", "quiet", record.told));
    if (record.stuck) item.append(make("span", "error", say("stuck", { why: record.stuck })));
    return item;
  }

  function drawList() {
    const { head } = pack;
    at("list-state").textContent = head
      ? say("list_state", { n: pack.count, when: clock(new Date(head.freshAt - head.skew), timeZone) })
      : say("list_none");
    at("list-blind").textContent = say(head ? "list_blind" : "list_none_text");
    const minutes = Math.round(Math.abs(head?.skew ?? 0) / 60000);
    at("skew").hidden = minutes < 2;
    at("skew").textContent = say(head?.skew > 0 ? "clock_ahead" : "clock_behind", { n: minutes });
  }

  function draw() {
    const { waiting, offline, lastContact } = outbox;
    const counted = waiting ? say("unsent", { n: waiting }) : say("sent_all");
    at("queue-title").textContent = counted;
    at("queue-hint").hidden = at("send-now").hidden = !waiting;
    at("queue-text").textContent = offline ? `${say("offline")}${waiting ? ` · ${waiting}` : ""}` : counted;
    at("queue").dataset.state = offline ? "offline" : waiting ? "waiting" : "sent";
    at("queue").dataset.unsent = String(waiting);
    at("queue").dataset.list = pack.ready ? String(pack.count) : "none";
    at("contact").textContent = lastContact
      ? say("last_contact", { when: clock(lastContact, timeZone) })
      : say("no_contact");
    if (!dialog.open) return;
    drawList();
    at("waiting").replaceChildren(...outbox.records.map(line));
  }

  at("queue").addEventListener("click", () => {
    dialog.showModal();
    draw();
  });
  at("send-now").addEventListener("click", () => outbox.retryAll());
  outbox.addEventListener("change", draw);
  pack.addEventListener("change", draw);
  window.addEventListener("online", draw);
  window.addEventListener("offline", draw);
  draw();
}
