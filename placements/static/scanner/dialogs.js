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

// A code typed by hand or by a USB scanner, which types wherever the page is.
export function wireCode(onCode) {
  const input = at("code");
  at("code-form").addEventListener("submit", () => {
    const text = input.value.trim();
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

export function wireSearch(token, timeZone, onPerson) {
  const input = at("search");
  const nothing = at("found-nothing");
  let timer = 0;
  let asked = 0;

  function tell(text) {
    at("found").replaceChildren();
    nothing.textContent = text;
    nothing.hidden = !text;
  }

  function line(person) {
    const button = make("button", "found-person");
    button.type = "button";
    const came = person.arrived_at ? say("arrived_at", { when: clock(new Date(person.arrived_at), timeZone) }) : "";
    button.append(
      make("strong", "", fullName(person)),
      make("span", "quiet", [person.company, person.position, came].filter(Boolean).join(" · ")),
    );
    button.addEventListener("click", () => {
      at("search-dialog").close();
      input.value = "";
      tell("");
      onPerson(person);
    });
    const item = make("li");
    item.append(button);
    return item;
  }

  async function search() {
    const query = input.value.trim();
    const mine = ++asked;
    if (query.replace(/\s/g, "").length < 2) return tell("");
    try {
      const { people } = await call(`/api/v1/people?q=${encodeURIComponent(query)}`, { token });
      if (mine !== asked) return;
      tell(people.length ? "" : say("search_nothing"));
      at("found").replaceChildren(...people.map(line));
    } catch (failure) {
      if (mine === asked) tell(failure.status ? failure.message : say("search_offline"));
    }
  }

  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, SEARCH_REST_MS);
  });
}

export function wireWalkIn(currentGate, onGuest) {
  const form = at("walk-in-form");
  form.addEventListener("submit", () => {
    const told = Object.fromEntries([...new FormData(form)].filter(([, value]) => value.trim()));
    form.reset();
    onGuest({ action_id: newId(), ...told, gate: currentGate(), set_at: new Date().toISOString() });
  });
}

export function wireQueue(outbox, timeZone) {
  const dialog = at("queue-dialog");

  function line(record) {
    const item = make("li", "waiting");
    const when = clock(new Date(record.order), timeZone);
    item.append(make("strong", "", `${say(`kind_${record.kind}`)} · ${when}`), make("span", "quiet", record.told));
    if (record.stuck) item.append(make("span", "error", say("stuck", { why: record.stuck })));
    return item;
  }

  function draw() {
    const { waiting, offline, lastContact } = outbox;
    const counted = waiting ? say("unsent", { n: waiting }) : say("sent_all");
    at("queue-text").textContent = offline ? `${say("offline")}${waiting ? ` · ${waiting}` : ""}` : counted;
    at("queue").dataset.state = offline ? "offline" : waiting ? "waiting" : "sent";
    at("queue").dataset.unsent = String(waiting);
    at("contact").textContent = lastContact
      ? say("last_contact", { when: clock(lastContact, timeZone) })
      : say("no_contact");
    if (dialog.open) at("waiting").replaceChildren(...outbox.records.map(line));
  }

  at("queue").addEventListener("click", () => {
    dialog.showModal();
    draw();
  });
  at("send-now").addEventListener("click", () => outbox.retryAll());
  outbox.addEventListener("change", draw);
  window.addEventListener("online", draw);
  window.addEventListener("offline", draw);
  draw();
}
