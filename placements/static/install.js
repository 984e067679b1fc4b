/* The installer page: one request per step until all are done, then the portal is told. */

import { portal, api } from './frame.js';

const list = document.getElementById('steps');
const words = list.dataset;
const bar = document.getElementById('progress');
const status = document.getElementById('status');
const problemBox = document.getElementById('problem');
const WAIT_MS = 1500;

function result(step) {
  const parts = [];
  if (step.made.length) parts.push(`${words.made}: ${step.made.join(', ')}`);
  if (step.changed.length) parts.push(`${words.changed}: ${step.changed.join(', ')}`);
  if (!parts.length && step.state === 'done') parts.push(words.found);
  return parts.join('; ');
}

function show(progress) {
  progress.steps.forEach((step) => {
    const row = list.querySelector(`[data-key="${step.key}"]`);
    row.className = `step step-${step.state}`;
    row.querySelector('.step-result').textContent = result(step);
  });
  bar.value = progress.steps.filter((step) => step.state === 'done').length;
  const current = progress.steps.find((step) => step.state === 'next');
  status.textContent = current ? current.does : '';
}

function stop(text, code) {
  document.getElementById('problem-text').textContent = text;
  document.getElementById('problem-code').textContent = code || '';
  problemBox.hidden = false;
  document.getElementById('retry').focus();
}

async function finish() {
  status.textContent = '';
  document.getElementById('done').hidden = false;
  const b24 = await portal();
  // A portal that has finished the installation before (a repeated one) does not want to hear it again.
  if (b24 && b24.isInstallMode) await b24.installFinish();
  else document.getElementById('open-app').requestSubmit();
}

async function run(answers = {}) {
  problemBox.hidden = true;
  for (;;) {
    let progress;
    try {
      progress = await api(words.stepUrl, { method: 'POST', data: answers });
    } catch (problem) {
      stop(problem.status ? problem.message : words.offline, problem.code);
      return;
    }
    show(progress);
    if (progress.problem) {
      stop(progress.problem.text, progress.problem.code);
      return;
    }
    if (progress.done) break;
    if (progress.busy) await new Promise((wake) => { setTimeout(wake, WAIT_MS); });
  }
  await finish();
}

const question = document.getElementById('question');
let given = {};

document.getElementById('retry').addEventListener('click', () => run(given));
if (question) {
  question.addEventListener('submit', (event) => {
    event.preventDefault();
    given = { guests: new FormData(question).get('guests') };
    question.hidden = true;
    run(given);
  });
} else {
  run();
}
