// Keeps the scanner itself on the phone: after a reload without network the page, its scripts and the decoder are there.
// The app puts VERSION and FILES before this text; another version is another cache.

/* global VERSION, FILES */
const CACHE = `door-${VERSION}`;
const PAGE = "/scan/";

self.addEventListener("install", (event) => {
  const fresh = (path) => new Request(path, { cache: "reload", credentials: "omit" });
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll([PAGE, ...FILES].map(fresh)))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const address = new URL(event.request.url);
  const kept = address.pathname === PAGE || FILES.includes(address.pathname);
  if (event.request.method !== "GET" || address.origin !== self.location.origin || !kept) return;
  event.respondWith(answer(event.request, address.pathname));
});

async function answer(request, path) {
  const found = await caches.match(path, { cacheName: CACHE });
  return found ?? fetch(request);
}
