/* The main page of an administrator: what is wrong with the portal, and putting it right. */

import { api, portal } from './frame.js';

const API = '/b24/api/app';
const place = document.getElementById('health');

async function show(path, method) {
  try {
    const { html, text } = await api(`${API}/${path}`, { method, acting: true });
    place.innerHTML = html;
    if (text) document.getElementById('health-said').textContent = text;
  } catch (problem) {
    const said = document.getElementById('health-said');
    (said || place).textContent = problem.status ? problem.message : place.dataset.failed;
  }
}

place.addEventListener('click', async (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  if (button.dataset.section) {
    const form = document.getElementById('to-settings');
    form.action = `${form.getAttribute('action').split('#')[0]}#${button.dataset.section}`;
    form.requestSubmit();
  } else if (button.dataset.act) {
    button.disabled = true;
    await show(button.dataset.act, 'POST');
  }
});

portal().then(() => show('health', 'GET'));
