/* Names of cards, read with the viewer's own rights: what they may not read has no name. */

import { portal } from './frame.js';

const PAGE = 50;
const CONTACT = 3;
const COMPANY = 4;

/* Items by id as the viewer may see them; fewer than asked for when some are closed to them. */
async function items(entityTypeId, ids, select) {
  const b24 = await portal();
  const found = new Map();
  if (!b24) return found;
  const wanted = [...new Set(ids.map(Number))].filter(Boolean);
  for (let at = 0; at < wanted.length; at += PAGE) {
    const answer = await b24.actions.v2.call.make({
      method: 'crm.item.list',
      params: {
        entityTypeId: Number(entityTypeId),
        filter: { '@id': wanted.slice(at, at + PAGE) },
        select,
        order: { id: 'ASC' },
        start: -1,
      },
    });
    if (answer.isSuccess) answer.getData().result.items.forEach((one) => found.set(Number(one.id), one));
  }
  return found;
}

function fullName(contact) {
  return [contact?.lastName, contact?.name].filter(Boolean).join(' ');
}

/*
 * Participations by id: `title` and the `company` they come from. The contact's name is the better title: a card that
 * a CRM form made is called after the form. `ownTitle` is for guests whose contact is in doubt.
 */
export async function named(participationType, ids) {
  const cards = await items(participationType, ids, ['id', 'title', 'contactId', 'companyId']);
  const all = [...cards.values()];
  const companies = await items(COMPANY, all.map((one) => one.companyId || 0), ['id', 'title']);
  const contacts = await items(CONTACT, all.map((one) => one.contactId || 0), ['id', 'name', 'lastName']);
  all.forEach((one) => {
    one.ownTitle = one.title;
    one.company = companies.get(Number(one.companyId))?.title || '';
    one.title = fullName(contacts.get(Number(one.contactId))) || one.title;
  });
  return cards;
}

/* Writes names into links that only carry a number yet. */
export async function nameCards(place, participationType, eventTitle = '') {
  const links = [...place.querySelectorAll('a[data-item]')];
  const cards = await named(participationType, links.map((one) => one.dataset.item));
  links.forEach((link) => {
    const card = cards.get(Number(link.dataset.item));
    if (!card) return;
    const title = link.dataset.ownTitle === undefined ? card.title : card.ownTitle;
    const company = card.company && link.dataset.plain === undefined ? `, ${card.company}` : '';
    link.textContent = title.replace(` – ${link.dataset.eventTitle || eventTitle}`, '') + company;
  });
  await nameClients(place);
}

async function nameClients(place) {
  const people = [...place.querySelectorAll('a[data-contact]')];
  const companies = [...place.querySelectorAll('a[data-company]')];
  const titles = await items(COMPANY, [
    ...people.map((one) => one.dataset.companyId || 0),
    ...companies.map((one) => one.dataset.company),
  ], ['id', 'title']);
  const contacts = await items(CONTACT, people.map((one) => one.dataset.contact), ['id', 'name', 'lastName', 'post']);
  people.forEach((link) => {
    const one = contacts.get(Number(link.dataset.contact));
    const company = titles.get(Number(link.dataset.companyId || 0))?.title;
    if (one) link.textContent = [fullName(one), one.post, company].filter(Boolean).join(', ');
  });
  companies.forEach((link) => {
    const one = titles.get(Number(link.dataset.company));
    if (one) link.textContent = one.title;
  });
}

/* Buttons with `data-copy` put it on the clipboard and say so. */
export function copyOnClick(place, copied) {
  place.addEventListener('click', async (event) => {
    const button = event.target.closest('button[data-copy]');
    if (!button) return;
    const text = button.textContent;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = copied;
      setTimeout(() => { button.textContent = text; }, 1500);
    } catch {
      window.prompt('', button.dataset.copy);
    }
  });
}
