/* A guest's path: flags and the note are written with the viewer's own rights, everything else asks our server. */

import { api, portal } from './frame.js';
import { copyOnClick } from './names.js';

const API = '/b24/api/participation';
const tab = document.getElementById('tab');
const words = tab.dataset;
const LOOK_AGAIN_MS = [1500, 4000, 9000];
const REFRESH_MS = 20000;
const $ = (id) => document.getElementById(id);
let drawn = '';
/* What the reason that is being typed is for: the action's address and the button that asked. */
let undoing = null;

function say(text) {
  $('said').textContent = text;
}

function typing() {
  const note = $('note');
  return note !== null && note.value !== note.defaultValue;
}

async function draw() {
  const { html } = await api(`${API}/path`, { acting: true });
  if (html === drawn || typing()) return;
  drawn = html;
  const said = $('said').textContent;
  const focused = document.activeElement?.id || document.activeElement?.dataset?.field;
  $('path').innerHTML = html;
  say(said);
  if (focused) ($(focused) || document.querySelector(`[data-field="${focused}"]`))?.focus();
}

async function quietly(work) {
  try { await work(); } catch { /* The next refresh tries again. */ }
}

/* The portal's change becomes a fact a moment later. */
function drawSoon() {
  LOOK_AGAIN_MS.forEach((wait) => setTimeout(() => quietly(draw), wait));
}

/* Write one field of the card as the viewer; says so and answers whether the portal took it. */
async function write(field, value) {
  const b24 = await portal();
  let saved = false;
  try {
    const answer = b24 && await b24.actions.v2.call.make({
      method: 'crm.item.update',
      params: { entityTypeId: Number(words.entityType), id: Number(words.item), fields: { [field]: value } },
    });
    saved = Boolean(answer?.isSuccess);
  } catch { /* Said below. */ }
  say(saved ? words.saved : words.refused);
  if (saved) await quietly(() => api(`${API}/changed`, { method: 'POST' }));
  return saved;
}

async function setFlag(button) {
  button.disabled = true;
  const saved = await write(button.dataset.field, 'Y');
  button.disabled = false;
  if (!saved) return;
  button.setAttribute('aria-pressed', 'true');
  button.focus();
  drawSoon();
}

async function saveNote(form) {
  const note = $('note');
  const button = form.querySelector('[type=submit]');
  button.disabled = true;
  if (await write(note.dataset.field, note.value.trim())) {
    note.defaultValue = note.value;
    drawSoon();
  }
  button.disabled = false;
}

async function resend(button) {
  button.disabled = true;
  const { queued } = await api(`${API}/resend`, { method: 'POST', acting: true });
  say(queued ? words.queued : words.notQueued);
  button.disabled = false;
  drawSoon();
}

/* Whatever is taken back needs a reason colleagues read later. */
function ask(question, address, button) {
  undoing = { address, button };
  $('why-label').textContent = question;
  $('reason').value = '';
  $('why').hidden = false;
  $('reason').focus();
}

function stopAsking() {
  $('why').hidden = true;
  const { id, dataset } = undoing.button;
  undoing = null;
  ((id && $(id)) || document.querySelector(`[data-flag="${dataset.flag}"]`))?.focus();
}

async function undo() {
  const reason = $('reason').value.trim();
  if (!reason) return;
  const submit = $('why').querySelector('[type=submit]');
  submit.disabled = true;
  try {
    await api(`${API}/${undoing.address}`, {
      method: 'POST', acting: true, data: { reason, click: crypto.randomUUID() },
    });
    say(words.undone);
    await quietly(draw);
  } finally {
    submit.disabled = false;
    stopAsking();
  }
}

async function clicked(button) {
  if (button.dataset.flag && button.getAttribute('aria-pressed') === 'true') {
    ask(`${button.textContent}: ${words.askWithdraw}`, `withdraw/${button.dataset.flag}`, button);
  } else if (button.dataset.flag) await setFlag(button);
  else if (button.id === 'resend') await resend(button);
  else if (button.id === 'annul') ask(words.askAnnul, 'annul', button);
  else if (button.id === 'keep') stopAsking();
}

async function trying(work, button) {
  try {
    await work();
  } catch (error) {
    if (button) button.disabled = false;
    say(error.message || words.failed);
  }
}

tab.addEventListener('click', (event) => {
  const button = event.target.closest('button[type=button]');
  if (button) trying(() => clicked(button), button);
});
tab.addEventListener('submit', (event) => {
  event.preventDefault();
  if (event.target.id === 'why') trying(undo);
  else trying(() => saveNote(event.target));
});
tab.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && undoing) stopAsking();
});
copyOnClick(tab, words.copied);
tab.dataset.ready = '';

setInterval(() => {
  if (document.visibilityState === 'visible') quietly(draw);
}, REFRESH_MS);
portal();
