/* Events of a contact or company: guests' names by the viewer's rights, more rows, an invitation to the next event. */

import { api, reloadCard } from './frame.js';
import { nameCards } from './names.js';

const API = '/b24/api/client';
const tab = document.getElementById('tab');
const words = tab.dataset;
const $ = (id) => document.getElementById(id);

function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
}

async function quietly(work) {
  try { await work(); } catch { /* Numbers stay where names cannot be read. */ }
}

async function more(button) {
  button.disabled = true;
  try {
    const { html, next } = await api(`${API}/history?after=${button.dataset.next}`, { acting: true });
    $('rows').insertAdjacentHTML('beforeend', html);
    button.dataset.next = next ?? '';
    button.hidden = next === null;
    await quietly(() => nameCards($('rows'), words.participationType));
  } finally {
    button.disabled = false;
  }
}

async function draw() {
  const { html } = await api(`${API}/history`, { acting: true });
  $('history').innerHTML = html;
  await nameCards($('history'), words.participationType);
}

async function invite(form) {
  const contacts = [...form.querySelectorAll('[name=contact]:checked')].map((one) => Number(one.value));
  const whole = form.querySelector('[name=contact]') === null;
  if (!whole && !contacts.length) { $('said').textContent = words.nobody; return; }
  const button = form.querySelector('[type=submit]');
  button.disabled = true;
  try {
    const data = { event: Number($('event').value), contacts, mail: $('mail').checked };
    const done = await api(`${API}/invite`, { method: 'POST', acting: true, data });
    $('said').textContent = [
      filled(words.invited, done),
      done.refused ? filled(words.refused, done) : '',
      done.without_address ? filled(words.silent, done) : '',
    ].filter(Boolean).join(' ');
    await quietly(draw);
    reloadCard();
  } catch (error) {
    $('said').textContent = error.message || words.failed;
  } finally {
    button.disabled = false;
  }
}

tab.addEventListener('click', (event) => {
  if (event.target.id === 'more') quietly(() => more(event.target));
});
tab.addEventListener('submit', (event) => {
  event.preventDefault();
  invite(event.target);
});
tab.dataset.ready = '';
quietly(() => nameCards(tab, words.participationType));
