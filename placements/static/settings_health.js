/*
 * The section «Обмен с CRM» of the settings page: the log of calls, read when the section is opened.
 */

import { api } from './frame.js';

const API = '/b24/api/settings/health';
const section = document.getElementById('health');
const words = section.dataset;

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
    find();
  }
}

section.addEventListener('toggle', open);
open();
