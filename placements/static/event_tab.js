/* The Event tab: people behind numbers, closing, segment and invitations, mails, undecided guests. */

import { api, portal } from './frame.js';
import { copyOnClick, nameCards, named } from './names.js';

const API = '/b24/api/event';
const tab = document.getElementById('tab');
const words = tab.dataset;
const REFRESH_MS = 15000;
const $ = (id) => document.getElementById(id);

function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
}

function failure(error) {
  return error.message || words.failed;
}

/* ------------------------------------------------------------------ parts drawn by the server */

const drawn = new Map();

async function draw(...names) {
  await Promise.all(names.map(async (name) => {
    const { html } = await api(`${API}/parts/${name}`, { acting: name === 'undecided' });
    const place = $(`part-${name}`);
    if (drawn.get(name) === html && place.childElementCount) return;
    drawn.set(name, html);
    place.innerHTML = html;
    await nameCards(place, words.participationType, words.eventTitle);
  }));
}

async function quietly(work) {
  try { await work(); } catch { /* The next refresh tries again. */ }
}

setInterval(() => {
  if (document.visibilityState === 'visible' && !document.querySelector('.part :focus')) {
    quietly(refresh);
  }
}, REFRESH_MS);

let state = '';

async function refresh() {
  const now = await api(`${API}/state`);
  await draw('funnel', 'links', 'mails', ...(now.state === state ? [] : ['closing', 'invitations']));
  state = now.state;
}

/* ------------------------------------------------------------------ people behind a number */

let shown = null;

async function morePeople() {
  const query = new URLSearchParams({ stage: shown.stage, where: shown.where, after: shown.next || 0 });
  const found = await api(`${API}/people?${query}`, { acting: true });
  const cards = await named(words.participationType, found.people.map((one) => one.item_id).filter(Boolean));
  found.people.forEach((one) => $('people-list').append(person(one, cards.get(one.item_id))));
  if (!$('people-list').children.length) $('people-list').append(plain(words.nobody));
  shown.next = found.next;
  $('people-more').hidden = !found.next;
}

function person(one, card) {
  if (!one.item_id) return plain(words.pending);
  if (!card) return plain(`${words.hidden} (№ ${one.item_id})`);
  const row = document.createElement('li');
  const link = document.createElement('a');
  link.href = one.path;
  link.dataset.openPath = '';
  link.textContent = card.title.replace(` – ${words.eventTitle}`, '');
  row.append(link);
  if (card.company) row.append(` – ${card.company}`);
  return row;
}

function plain(text) {
  const row = document.createElement('li');
  row.className = 'muted';
  row.textContent = text;
  return row;
}

async function showPeople(button) {
  shown = { stage: button.dataset.stage, where: button.dataset.where, next: 0 };
  $('people-title').textContent = button.dataset.title;
  $('people-list').replaceChildren();
  $('people').hidden = false;
  try { await morePeople(); } catch (error) { $('people-list').append(plain(failure(error))); }
  $('people-title').focus();
}

/* ------------------------------------------------------------------ segment */

async function askSegment() {
  $('segment-open').disabled = true;
  $('segment-result').textContent = words.reading;
  const { questions } = await api(`${API}/segment/questions`, { method: 'POST', data: {} });
  $('segment-fields').replaceChildren(...questions.map(question));
  $('segment-result').textContent = questions.length ? '' : words.nofields;
  $('segment-actions').hidden = false;
}

function question({ name, title, options }) {
  const box = document.createElement('fieldset');
  box.dataset.name = name;
  const legend = document.createElement('legend');
  legend.textContent = title;
  box.append(legend);
  if (!options.length) {
    const input = document.createElement('input');
    input.className = 'input';
    input.maxLength = 100;
    input.placeholder = words.any;
    input.setAttribute('aria-label', title);
    box.append(input);
  }
  options.forEach((option) => {
    const label = document.createElement('label');
    label.className = 'check';
    const input = document.createElement('input');
    input.type = 'checkbox';
    input.value = option.value;
    label.append(input, ` ${option.title}`);
    box.append(label);
  });
  return box;
}

function chosen() {
  const boxes = [...$('segment-fields').querySelectorAll('fieldset')];
  return Object.fromEntries(boxes.map((box) => {
    const typed = box.querySelector('input.input');
    const values = typed
      ? [typed.value.trim()].filter(Boolean)
      : [...box.querySelectorAll('input:checked')].map((one) => one.value);
    return [box.dataset.name, values];
  }));
}

/* Calls an action portion by portion and adds its counts up. */
async function portions(path, data, acting, progress) {
  const sum = {};
  let next = 0;
  let permit = '';
  progress.hidden = false;
  progress.removeAttribute('value');
  try {
    do {
      const one = await api(`${API}/${path}`, { method: 'POST', acting, data: { ...data, after: next, permit } });
      Object.entries(one).forEach(([name, value]) => {
        if (Number.isInteger(value) && name !== 'next' && name !== 'total') sum[name] = (sum[name] || 0) + value;
      });
      if (Number.isInteger(one.total)) sum.total = one.total;
      if (sum.total) progress.value = Math.min(1, sum.companies / sum.total);
      next = one.next;
      permit = one.permit || '';
    } while (next);
  } finally {
    progress.hidden = true;
  }
  return sum;
}

async function segmentAction(path, acting, text) {
  const buttons = [$('segment-preview'), $('segment-select')];
  buttons.forEach((one) => { one.disabled = true; });
  $('segment-result').textContent = words.reading;
  let done = {};
  try {
    done = await portions(path, { segment: chosen() }, acting, $('segment-progress'));
    $('segment-result').textContent = filled(text, done);
  } catch (error) {
    $('segment-result').textContent = failure(error);
  }
  $('segment-preview').disabled = false;
  $('segment-select').disabled = !done.contacts;
  return done;
}

async function invite(button) {
  if (!window.confirm(words.sureInvite)) return;
  button.disabled = true;
  let said;
  try {
    said = filled(words.invited, await portions('invite', {}, true, $('invite-progress')));
  } catch (error) {
    said = failure(error);
  }
  await quietly(() => draw('invitations', 'funnel', 'mails'));
  $('invite-result').textContent = said;
}

/* ------------------------------------------------------------------ buttons of drawn parts */

const AFTER = {
  'closing/now': ['closing', 'funnel'],
  'closing/stop': ['closing'],
  'mail/again': ['mails'],
  person: ['undecided'],
  company: ['undecided'],
};

async function act(button) {
  const { action, sure, message, person: personId, answer, card } = button.dataset;
  if (sure === 'close' && !window.confirm(words.sureClose)) return;
  button.disabled = true;
  const data = {};
  if (message) data.message = Number(message);
  if (personId) {
    const chosen = action === 'person' ? 'contact' : 'company';
    Object.assign(data, { person: Number(personId), answer, [chosen]: Number(card || 0) });
  }
  try {
    await api(`${API}/${action}`, { method: 'POST', acting: true, data });
    await draw(...AFTER[action]);
  } catch (error) {
    button.disabled = false;
    button.insertAdjacentElement('afterend', problem(failure(error)));
  }
}

function problem(text) {
  const said = document.createElement('span');
  said.className = 'problem';
  said.setAttribute('role', 'alert');
  said.textContent = ` ${text}`;
  return said;
}

tab.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  if (button.matches('.count')) showPeople(button);
  else if (button.dataset.action) act(button);
  else if (button.id === 'people-more') quietly(morePeople);
  else if (button.id === 'people-close') $('people').hidden = true;
  else if (button.id === 'segment-open') askSegment().catch((error) => { $('segment-result').textContent = failure(error); button.disabled = false; });
  else if (button.id === 'segment-preview') segmentAction('segment/preview', false, words.preview);
  else if (button.id === 'segment-select') segmentAction('segment/select', true, words.selected).then(() => quietly(() => draw('invitations', 'funnel')));
  else if (button.id === 'invite') invite(button);
});
$('segment-fields')?.addEventListener('change', () => { $('segment-select').disabled = true; });
tab.addEventListener('toggle', (event) => {
  if (event.target.id === 'ahead' && event.target.open) quietly(() => draw('ahead'));
}, true);
$('segment')?.addEventListener('submit', (event) => event.preventDefault());
copyOnClick(tab, words.copied);

tab.dataset.ready = '';
portal().then(() => quietly(() => draw('closing', 'undecided', 'invitations', 'mails')));
