/* The door on the Event tab: what happens now, disputed passages, gates, phones, the rehearsal. */

import { api, portal } from './frame.js';
import { nameCards } from './names.js';

const API = '/b24/api/event';
const REFRESH_MS = 15000;
const tab = document.getElementById('tab');
const words = tab.dataset;
const $ = (id) => document.getElementById(id);
const AFTER = {
  'phone/revoke': ['phones', 'live'],
  case: ['cases', 'live'],
  'case/reopen': ['cases', 'live'],
  'rehearsal/start': ['rehearsal'],
  'rehearsal/wipe': ['rehearsal'],
};
const SURE = { 'phone/revoke': words.sureRevoke, 'rehearsal/wipe': words.sureWipe };
const drawn = new Map();

async function draw(...names) {
  // An event that is over has no gates to set and nothing to rehearse.
  await Promise.all(names.filter((name) => $(`part-${name}`)).map(async (name) => {
    const { html } = await api(`${API}/door/${name}`, { acting: name === 'cases' });
    const place = $(`part-${name}`);
    if (drawn.get(name) === html) return;
    drawn.set(name, html);
    place.innerHTML = html;
    await nameCards(place, words.participationType, words.eventTitle);
  }));
}

async function quietly(work) {
  try { await work(); } catch { /* The next refresh tries again. */ }
}

setInterval(() => {
  const busy = document.querySelector('#part-cases :focus, #part-phones :focus');
  if (document.visibilityState === 'visible' && !busy) quietly(() => draw('live', 'cases', 'phones'));
}, REFRESH_MS);

async function act(button) {
  const { door: action, phone, case: key, answer, showing } = button.dataset;
  if (SURE[action] && !window.confirm(SURE[action])) return;
  button.disabled = true;
  const data = key ? { case: key, answer, showing: showing || '' } : { phone: Number(phone || 0) };
  try {
    await api(`${API}/${action}`, { method: 'POST', acting: true, data });
    if (action.startsWith('rehearsal')) forgetLink();
    await draw(...AFTER[action]);
  } catch (error) {
    button.disabled = false;
    const said = document.createElement('span');
    said.className = 'problem';
    said.setAttribute('role', 'alert');
    said.textContent = ` ${error.message || words.failed}`;
    button.insertAdjacentElement('afterend', said);
  }
}

/* ------------------------------------------------------------------ gates */

function gatesOf(form) {
  const all = [...form.querySelectorAll('fieldset')].map((box) => {
    const { name, kind, flag, reentry } = Object.fromEntries(
      ['name', 'kind', 'flag', 'reentry'].map((key) => [key, box.querySelector(`[name=${key}]`)]),
    );
    return { name: name.value.trim(), kind: kind.value, flag: flag.value, reentry: reentry.checked };
  });
  return all.filter((gate) => gate.name);
}

function say(place, text, wrong = false) {
  place.textContent = text;
  place.classList.toggle('problem', wrong);
}

async function saveGates(form) {
  try {
    await api(`${API}/gates`, { method: 'POST', acting: true, data: { gates: gatesOf(form) } });
    drawn.delete('gates');
    await draw('gates');
    say($('gates-result'), words.saved);
  } catch (error) {
    say($('gates-result'), error.message || words.failed, true);
  }
}

/* ------------------------------------------------------------------ links for phones */

function forgetLink() {
  $('enrolment-link').hidden = true;
  $('enrolment-practice').hidden = true;
}

async function enrol(rehearsal) {
  const gates = $('gates').value.split(',').map((one) => one.trim()).filter(Boolean);
  const role = $('supervise').checked ? 'supervise' : 'scan';
  say($('enrolment-result'), '');
  try {
    const made = await api(`${API}/enrolment`, { method: 'POST', acting: true, data: { gates, role, rehearsal } });
    $('enrolment-practice').hidden = !rehearsal;
    $('enrolment-qr').src = made.qr;
    $('enrolment-url').href = made.link;
    $('enrolment-url').textContent = made.link;
    $('enrolment-copy').dataset.copy = made.link;
    $('enrolment-link').hidden = false;
    $('enrolment-url').focus();
  } catch (error) {
    forgetLink();
    say($('enrolment-result'), error.message || words.failed, true);
  }
}

tab.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  if (button.dataset.door) act(button);
  else if (button.dataset.removeGate !== undefined) button.closest('fieldset').remove();
  else if (button.dataset.enrolRehearsal !== undefined) enrol(true);
});
tab.addEventListener('submit', (event) => {
  if (event.target.id === 'gates-form') {
    event.preventDefault();
    saveGates(event.target);
  } else if (event.target.id === 'enrolment') {
    event.preventDefault();
    enrol(false);
  }
});
portal().then(() => quietly(() => draw('live', 'cases', 'gates', 'phones', 'rehearsal')));
