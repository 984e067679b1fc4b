/*
 * The settings page. A section is read when it is opened and saved by itself; what the server refuses is said beside
 * the field, and nothing that was typed is lost.
 *
 * Markup is data: `name` is a field, `data-group` an object, `data-list` an array of its `data-item`s, `data-many` and
 * `data-single` chosen people, `data-checks` an array of checked numbers. Disabled fields are not sent.
 */

import { api, portal } from './frame.js';

const API = '/b24/api/settings';
const root = document.getElementById('settings');
const words = root.dataset;
const NESTED = '[data-group], [data-list], [data-many], [data-single], [data-checks], [data-skip]';

/* ------------------------------------------------------------------ markup to data */

function numberOr(text) {
  return /^-?\d+$/.test(text.trim()) ? Number(text) : text.trim() || null;
}

function typed(field) {
  if (field.type === 'checkbox') return field.checked;
  return field.dataset.kind === 'number' ? numberOr(field.value) : field.value;
}

/* Fields and containers directly inside `place`, as [name, element]. */
function parts(place) {
  return [...place.querySelectorAll(`[name], ${NESTED}`)].filter((one) => {
    if (one.matches(':disabled') || one.closest('template') || one.closest('[data-skip]')) return false;
    if (one.type === 'radio' && !one.checked) return false;
    const around = one.parentElement.closest(`${NESTED}, [data-item]`);
    return !around || around === place || !place.contains(around);
  });
}

function nameOf(one) {
  const { group, list, many, single, checks } = one.dataset;
  return group || list || many || single || checks || one.getAttribute('name');
}

function chosen(picker) {
  const values = [...picker.querySelectorAll('.picked > [data-value]')].map((one) => one.dataset.value);
  return picker.dataset.kind === 'text' ? values : values.map(Number);
}

function valueOf(one) {
  const { group, list, many, single, checks } = one.dataset;
  if (group) return collect(one);
  if (list) return [...one.children].filter((item) => item.matches('[data-item]')).map(collect);
  if (many) return chosen(one);
  if (single) return chosen(one)[0] ?? null;
  if (checks) return [...one.querySelectorAll('input:checked')].map((box) => Number(box.value));
  return typed(one);
}

function collect(place) {
  return Object.fromEntries(parts(place).map((one) => [nameOf(one), valueOf(one)]));
}

/* The element a dotted path of the server speaks of; the nearest one known when the last step is not. */
function elementAt(place, path) {
  let at = place;
  for (const step of path.split('.')) {
    const next = at.dataset.list
      ? [...at.children].filter((item) => item.matches('[data-item]'))[Number(step)]
      : parts(at).find((one) => nameOf(one) === step);
    if (!next) return at === place ? null : at;
    at = next;
  }
  return at;
}

/* ------------------------------------------------------------------ what is wrong */

function clear(form) {
  form.querySelectorAll('.field-error').forEach((one) => one.remove());
  form.querySelectorAll('[aria-invalid]').forEach((one) => {
    one.removeAttribute('aria-invalid');
    one.removeAttribute('aria-describedby');
  });
  const box = form.querySelector('.section-problem');
  box.hidden = true;
  box.replaceChildren();
}

function point(form, element, text) {
  const said = document.createElement('span');
  said.className = 'field-error';
  said.id = `error-${crypto.randomUUID()}`;
  said.textContent = text;
  element.closest('details:not([open])')?.setAttribute('open', '');
  const field = element.matches('input, select, textarea') ? element : element.querySelector('input:not([type=hidden]), select, textarea');
  element.setAttribute('aria-invalid', 'true');
  if (field) {
    field.setAttribute('aria-invalid', 'true');
    field.setAttribute('aria-describedby', said.id);
  }
  if (element.matches('input, select, textarea')) element.after(said);
  else element.append(said);
  return field || element;
}

function complain(form, text, errors = {}) {
  clear(form);
  const box = form.querySelector('.section-problem');
  const said = document.createElement('p');
  said.textContent = text;
  box.append(said);
  let first = null;
  Object.entries(errors).forEach(([path, message]) => {
    const place = form.querySelector('.section-body');
    const element = elementAt(place, path) || form.querySelector(`[data-path="${path}"]`);
    if (element) {
      const field = point(form, element, message);
      first ||= field;
    } else {
      const more = document.createElement('p');
      more.textContent = message;
      box.append(more);
    }
  });
  box.hidden = false;
  if (first) first.focus();
}

function failed(form, problem) {
  const { errors } = problem.body || {};
  complain(form, problem.status ? problem.message : words.failed, errors);
  if (problem.code !== 'changed_meanwhile') return;
  const again = document.createElement('button');
  again.type = 'button';
  again.className = 'button';
  again.textContent = words.reload;
  again.addEventListener('click', () => read(form.closest('details')));
  form.querySelector('.section-problem').append(again);
}

/* ------------------------------------------------------------------ reading and saving */

const revisions = new Map();

function draw(section, answer) {
  const form = section.querySelector('form');
  clear(form);
  form.querySelector('.section-body').innerHTML = answer.html;
  form.querySelector('.section-actions').hidden = false;
  revisions.set(section.dataset.section, answer.revision);
  if (answer.changed) section.querySelector('.section-changed').textContent = words.changed.replace('{who}', answer.changed);
  arrange(section);
}

async function read(section) {
  const form = section.querySelector('form');
  clear(form);
  form.querySelector('.section-body').textContent = words.reading;
  form.querySelector('.section-actions').hidden = true;
  try {
    draw(section, await api(`${API}/sections/${section.dataset.section}`, { acting: true }));
  } catch (problem) {
    form.querySelector('.section-body').textContent = '';
    revisions.delete(section.dataset.section);
    complain(form, problem.status ? problem.message : words.failed);
  }
}

async function save(section, values) {
  const form = section.querySelector('form');
  const button = form.querySelector('.section-actions button');
  const said = form.querySelector('.section-said');
  said.textContent = '';
  button.disabled = true;
  const key = section.dataset.section;
  try {
    const data = { revision: revisions.get(key), values };
    draw(section, await api(`${API}/sections/${key}`, { method: 'POST', acting: true, data }));
    said.textContent = words.saved;
  } catch (problem) {
    failed(form, problem);
  }
  button.disabled = false;
}

/* ------------------------------------------------------------------ parts that depend on each other */

function enable(element, on) {
  element.hidden = !on;
  if ('disabled' in element) element.disabled = !on;
  else element.querySelectorAll('input, select, textarea').forEach((one) => { one.disabled = !on; });
}

function arrange(section) {
  const way = section.querySelector('[data-shows]:checked');
  if (way) {
    section.querySelectorAll('[data-for]').forEach((one) => enable(one, one.dataset.for.split(' ').includes(way.value)));
  }
  const switcher = section.querySelector('[data-switch]');
  if (switcher) {
    section.querySelectorAll(`[data-case="${switcher.dataset.switch}"]`).forEach((one) => enable(one, one.dataset.value === switcher.value));
  }
}

function ask(question) {
  const kind = question.selectedOptions[0].dataset.asks;
  question.parentElement.querySelectorAll('[data-answer]').forEach((one) => enable(one, one.dataset.answer === kind));
}

async function changeFunnel(select) {
  const form = select.form;
  const stage = form.querySelector('[name="stage"]');
  try {
    const { stages, robots } = await api(`${API}/stages?category=${select.value}`, { acting: true });
    form.querySelector('[data-robots]').setAttribute('href', robots);
    stage.replaceChildren(new Option(words.first, ''), ...stages.map((one) => new Option(one.title, one.value)));
  } catch (problem) {
    failed(form, problem);
  }
}

function add(button) {
  const from = document.getElementById(button.dataset.add).content.firstElementChild.cloneNode(true);
  const scope = button.closest('.section-body');
  const list = button.dataset.add === 'condition-row'
    ? button.parentElement.querySelector('[data-list]')
    : scope.querySelector('[data-list]');
  list.append(from);
  if (button.dataset.fill) from.querySelector('input').value = button.dataset.fill;
  from.querySelector(button.dataset.fill ? 'select' : 'input:not([type=hidden]):not([hidden]), select').focus();
}

function move(item, up) {
  const other = up ? item.previousElementSibling : item.nextElementSibling;
  if (!other) return;
  if (up) other.before(item);
  else other.after(item);
  item.querySelector(up ? '[data-up]' : '[data-down]').focus();
}

function drop(item) {
  const next = (item.nextElementSibling || item.previousElementSibling)?.querySelector('input:not([type=hidden]), select');
  const list = item.parentElement;
  item.remove();
  (next || list.parentElement.querySelector('[data-add]'))?.focus();
}

/* ------------------------------------------------------------------ colleagues */

async function search(picker) {
  const found = picker.querySelector('.found');
  const field = picker.querySelector('[data-find]');
  try {
    const { colleagues } = await api(`${API}/colleagues?find=${encodeURIComponent(field.value.trim())}`, { acting: true });
    found.replaceChildren(...colleagues.map((one) => {
      const row = document.createElement('li');
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'button button-small';
      button.dataset.pick = one.id;
      button.dataset.name = one.name;
      button.textContent = [one.name, one.position].filter(Boolean).join(', ');
      row.append(button);
      return row;
    }));
    if (!colleagues.length) found.append(line(words.nobody));
  } catch (problem) {
    found.replaceChildren(line(problem.status ? problem.message : words.failed));
  }
}

function line(text) {
  const row = document.createElement('li');
  row.className = 'muted';
  row.textContent = text;
  return row;
}

function pick(button) {
  const picker = button.closest('.picker');
  const picked = picker.querySelector('.picked');
  if (picker.dataset.single !== undefined) picked.replaceChildren();
  if (!picked.querySelector(`[data-value="${button.dataset.pick}"]`)) {
    const chip = document.createElement('li');
    chip.className = 'chip';
    chip.dataset.value = button.dataset.pick;
    const remove = document.createElement('button');
    remove.type = 'button';
    remove.className = 'chip-remove';
    remove.dataset.remove = '';
    remove.setAttribute('aria-label', `${words.remove}: ${button.dataset.name}`);
    remove.textContent = '×';
    chip.append(`${button.dataset.name} `, remove);
    picked.append(chip);
  }
  picker.querySelector('.found').replaceChildren();
  const field = picker.querySelector('[data-find]');
  field.value = '';
  field.focus();
}

/* ------------------------------------------------------------------ rules and mail */

async function preview(section) {
  const form = section.querySelector('form');
  clear(form);
  try {
    const { html } = await api(`${API}/rules/preview`, { method: 'POST', acting: true, data: collect(form.querySelector('.section-body')) });
    const said = document.getElementById('rules-said');
    said.innerHTML = html;
    said.focus();
  } catch (problem) {
    failed(form, problem);
  }
}

async function testMail(button) {
  const form = button.closest('form');
  const said = document.getElementById('test-said');
  clear(form);
  said.textContent = words.reading;
  button.disabled = true;
  try {
    const { text } = await api(`${API}/sender/test`, { method: 'POST', acting: true, data: { to: document.getElementById('test-to').value.trim() } });
    said.textContent = text;
  } catch (problem) {
    said.textContent = '';
    failed(form, problem);
  }
  button.disabled = false;
}

/* ------------------------------------------------------------------ listening */

root.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  const item = button.closest('[data-item]');
  if (button.dataset.add) add(button);
  else if (button.dataset.drop !== undefined) drop(item);
  else if (button.dataset.up !== undefined) move(item, true);
  else if (button.dataset.down !== undefined) move(item, false);
  else if (button.dataset.search !== undefined) search(button.closest('.picker'));
  else if (button.dataset.pick) pick(button);
  else if (button.dataset.remove !== undefined) {
    const field = button.closest('.picker').querySelector('[data-find]');
    button.closest('.chip').remove();
    field.focus();
  } else if (button.id === 'rules-preview') preview(button.closest('details.section'));
  else if (button.id === 'rules-shipped') {
    if (window.confirm(button.dataset.sure)) save(button.closest('details.section'), { shipped: true });
  } else if (button.id === 'test-mail') testMail(button);
});

root.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter') return;
  if (event.target.matches('[data-find]')) {
    event.preventDefault();
    search(event.target.closest('.picker'));
  } else if (event.target.id === 'test-to') {
    event.preventDefault();
    document.getElementById('test-mail').click();
  }
});

root.addEventListener('change', (event) => {
  const field = event.target;
  if (field.matches('[data-shows], [data-switch]')) arrange(field.closest('details.section'));
  else if (field.matches('[data-question]')) ask(field);
  else if (field.matches('[data-funnel]')) changeFunnel(field);
});

root.addEventListener('submit', (event) => {
  const section = event.target.closest('details[data-section]');
  if (!section) return;
  event.preventDefault();
  save(section, collect(section.querySelector('.section-body')));
});

root.querySelectorAll('details[data-section]').forEach((section) => {
  section.addEventListener('toggle', () => {
    if (section.open && !revisions.has(section.dataset.section)) read(section);
  });
});

root.dataset.ready = '';
portal().then(() => {
  const named = root.querySelector(`details[id="${CSS.escape(location.hash.slice(1))}"]`);
  if (named) named.open = true;
});
