/*
 * The section «Обмен с CRM» of the settings page: what waits for a person, and the log of calls. Read when it is opened.
 */

import { api } from './frame.js';

const API = '/b24/api/settings/health';
const section = document.getElementById('health');
const words = section.dataset;

/* ------------------------------------------------------------------ held work */

const work = document.getElementById('work');
const told = document.getElementById('work-said');

async function show(path, options = {}) {
  told.textContent = words.reading;
  try {
    const { html, text } = await api(`${API}/${path}`, { acting: true, ...options });
    work.innerHTML = html;
    told.textContent = text || '';
    return true;
  } catch (problem) {
    told.textContent = problem.status ? problem.message : words.failed;
    return false;
  }
}

work.addEventListener('click', async (event) => {
  const button = event.target.closest('button[data-work]');
  if (!button) return;
  const { work: what, reason, kind, key } = button.dataset;
  if (what === 'give-up' && !window.confirm(words.sure)) return;
  button.disabled = true;
  if (!await show(what, { method: 'POST', data: { reason, kind, key } })) button.disabled = false;
});

/* ------------------------------------------------------------------ the log of calls */

const form = document.getElementById('calls-form');
const rows = document.getElementById('calls');
const more = document.getElementById('calls-more');
const said = document.getElementById('calls-said');

function asked() {
  const filled = [...new FormData(form)].filter(([, value]) => value.trim());
  return new URLSearchParams(filled);
}

async function find(before) {
  const query = asked();
  if (before) query.set('before', before);
  said.textContent = words.reading;
  more.disabled = true;
  try {
    const answer = await api(`${API}/calls?${query}`, { acting: true });
    if (before) rows.insertAdjacentHTML('beforeend', answer.html);
    else rows.innerHTML = answer.html;
    more.dataset.before = answer.before || '';
    more.hidden = !answer.before;
    said.textContent = '';
  } catch (problem) {
    said.textContent = problem.status ? problem.message : words.failed;
  }
  more.disabled = false;
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  find();
});
more.addEventListener('click', () => find(more.dataset.before));

/* ------------------------------------------------------------------ opening */

function open() {
  if (section.open && section.dataset.read === undefined) {
    section.dataset.read = '';
    show('work').then(() => find());
  }
}

section.addEventListener('toggle', open);
open();
