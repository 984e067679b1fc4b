/* A guest's path: flags are changed with the viewer's own rights, everything else asks our server. */

import { api, portal } from './frame.js';
import { copyOnClick } from './names.js';

const API = '/b24/api/participation';
const tab = document.getElementById('tab');
const words = tab.dataset;
const LOOK_AGAIN_MS = [1500, 4000, 9000];
const REFRESH_MS = 20000;
const $ = (id) => document.getElementById(id);
let drawn = '';

function say(text) {
  $('said').textContent = text;
}

async function draw() {
  const { html } = await api(`${API}/path`);
  if (html === drawn) return;
  drawn = html;
  const said = $('said').textContent;
  const focused = document.activeElement?.dataset?.field;
  $('path').innerHTML = html;
  say(said);
  if (focused) document.querySelector(`[data-field="${focused}"]`)?.focus();
}

async function quietly(work) {
  try { await work(); } catch { /* The next refresh tries again. */ }
}

/* The portal's change becomes a fact a moment later. */
function drawSoon() {
  LOOK_AGAIN_MS.forEach((wait) => setTimeout(() => quietly(draw), wait));
}

async function toggle(button) {
  const on = button.getAttribute('aria-pressed') !== 'true';
  button.disabled = true;
  const b24 = await portal();
  let saved = false;
  try {
    const answer = b24 && await b24.actions.v2.call.make({
      method: 'crm.item.update',
      params: {
        entityTypeId: Number(words.entityType),
        id: Number(words.item),
        fields: { [button.dataset.field]: on ? 'Y' : 'N' },
      },
    });
    saved = Boolean(answer?.isSuccess);
  } catch { /* Said below. */ }
  button.disabled = false;
  if (!saved) { say(words.refused); return; }
  button.setAttribute('aria-pressed', String(on));
  button.focus();
  say(words.saved);
  await quietly(() => api(`${API}/changed`, { method: 'POST' }));
  drawSoon();
}

async function resend(button) {
  button.disabled = true;
  const { queued } = await api(`${API}/resend`, { method: 'POST', acting: true });
  say(queued ? words.queued : words.notQueued);
  drawSoon();
}

async function annul() {
  const reason = (window.prompt(words.askReason) || '').trim();
  if (!reason) return;
  const click = crypto.randomUUID();
  await api(`${API}/annul`, { method: 'POST', acting: true, data: { reason, click } });
  await draw();
}

tab.addEventListener('click', async (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  try {
    if (button.dataset.field) await toggle(button);
    else if (button.id === 'resend') await resend(button);
    else if (button.id === 'annul') await annul();
  } catch (error) {
    button.disabled = false;
    say(error.message || words.failed);
  }
});
copyOnClick(tab, words.copied);
tab.dataset.ready = '';

setInterval(() => {
  if (document.visibilityState === 'visible') quietly(draw);
}, REFRESH_MS);
portal();
