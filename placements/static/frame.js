/*
 * What every page inside the portal needs: the portal's frame, its height, links to cards, and calls to our own
 * endpoints with the page's session in a header. No cookies, nothing is kept in the browser.
 */

const body = document.body;
let session = body.dataset.session || '';
let frame = null;

/* The portal's frame, or null when the page stands alone (an address opened directly). */
export function portal() {
  if (frame === null) {
    const inside = window.parent !== window && window.name.includes('|');
    frame = inside ? window.B24Js.initializeB24Frame().catch(() => null) : Promise.resolve(null);
  }
  return frame;
}

export async function viewerToken() {
  const b24 = await portal();
  if (!b24) return '';
  const known = b24.auth.getAuthData() || await b24.auth.refreshAuth();
  return known ? known.access_token : '';
}

async function request(url, { method = 'GET', data, acting = false } = {}) {
  const headers = { 'X-Page-Session': session, Accept: 'application/json' };
  if (acting) headers['X-Viewer-Token'] = await viewerToken();
  if (data !== undefined) headers['Content-Type'] = 'application/json';
  return fetch(url, { method, headers, body: data === undefined ? undefined : JSON.stringify(data) });
}

/* An expired session is renewed once with the viewer's present token. */
async function renew() {
  const answer = await request('/b24/page/session', { method: 'POST', acting: true });
  if (!answer.ok) return false;
  session = (await answer.json()).session;
  return true;
}

/*
 * Calls one of our JSON endpoints. `acting` sends the viewer's own token along, for anything that changes something.
 * Rejects with an Error whose message is for people, with `code` and `status`.
 */
export async function api(url, options = {}) {
  let answer = await request(url, options);
  if (answer.status === 401 && await renew()) answer = await request(url, options);
  const json = (answer.headers.get('Content-Type') || '').includes('json') ? await answer.json() : {};
  if (answer.ok) return json;
  const problem = new Error(json.detail || json.title || String(answer.status));
  problem.code = json.code || '';
  problem.status = answer.status;
  problem.body = json;
  throw problem;
}

export async function openPath(path) {
  const b24 = await portal();
  if (b24) return b24.slider.openPath(b24.slider.getUrl(path));
  const origin = body.dataset.origin;
  return window.open(origin ? new URL(path, origin) : path, '_blank', 'noopener');
}

/* Tells the portal that data behind a card's tab has changed. */
export async function reloadCard() {
  const b24 = await portal();
  if (b24) await b24.placement.call('reloadData').catch(() => {});
}

/* Makes the frame as high as the page, and as wide as the portal has room. What fitWindow sends, with a height of our
 * own: it measures the document, which is never lower than its frame, and a frame that was just made lower may not know
 * of it yet when it measures. */
async function fit(height) {
  const b24 = await portal();
  // Without an answer the page can still be scrolled.
  if (b24) await b24.parent.message.send('resizeWindow', { width: '100%', height, isSafely: true }).catch(() => {});
}

document.addEventListener('click', (event) => {
  const link = event.target.closest('a[data-open-path]');
  if (!link) return;
  event.preventDefault();
  openPath(link.getAttribute('href'));
});

/* One page of ours opens another: the viewer's own token goes along, to read with while that page is made. */
document.addEventListener('submit', async (event) => {
  const form = event.target;
  if (!form.elements.page_session || form.elements.AUTH_ID) return;
  event.preventDefault();
  const token = document.createElement('input');
  token.type = 'hidden';
  token.name = 'AUTH_ID';
  token.value = await viewerToken().catch(() => '');
  form.append(token);
  form.submit();
});

portal().then(() => {
  let height = 0;
  new ResizeObserver(() => {
    if (body.scrollHeight === height) return;
    height = body.scrollHeight;
    fit(height);
  }).observe(body);
});
