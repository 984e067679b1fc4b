/* Why a deal exists: drawn by the server; guests get names by the viewer's own rights; a link to an event is offered. */

import { api, reloadCard } from './frame.js';
import { nameCards } from './names.js';

const tab = document.getElementById('tab');

async function link(form) {
  const button = form.querySelector('[type=submit]');
  const said = document.getElementById('said');
  button.disabled = true;
  try {
    const event = Number(document.getElementById('event').value);
    await api('/b24/api/deal/link', { method: 'POST', acting: true, data: { event } });
    said.textContent = tab.dataset.linked;
    await reloadCard();
  } catch (error) {
    button.disabled = false;
    said.textContent = error.message || tab.dataset.failed;
  }
}

tab.addEventListener('submit', (event) => {
  event.preventDefault();
  link(event.target);
});
tab.dataset.ready = '';
nameCards(tab, tab.dataset.participationType).catch(() => { /* Numbers stay where names cannot be read. */ });
