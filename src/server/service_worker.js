// The service worker: Tidemark opens without a network, and edits leave without a tab. It keeps one build's files, all or
// none, answers any address with the data-free shell when the network does not answer, and carries the frozen bytes of
// the outbox, of which it reads no more than which ops are one intent. It stores no answer of the server about people or records. The server fills in the
// two values below, so that this file changes with every build.
"use strict";

const VERSION = "{{version}}";
const PRECACHE = ["{{precache}}"];

const CACHE_PREFIX = "tidemark-";
const CACHE = CACHE_PREFIX + VERSION;
const SHELL = "/shell";
/** How long a navigation waits for the network: longer, and a person with one bar of signal stares at nothing. */
const NAVIGATION_MS_MAX = 3_000;
/** These show nothing without a network, however long it takes; nor does a shell in a browser that knows nobody, which asks so. */
const PATIENT = /^\/(sign-in|sign-up|invitation\/.*|workspaces)$/;
const PATIENTLY = "patiently";

const OUTBOX_TAG = "tidemark-outbox";
const PUSH_PATH = "/api/sync/push";
/** As `browser::storage::name_of`: workspace, then member. */
const OUTBOX_NAME = /^tidemark-outbox-([0-9a-f-]{36})-([0-9a-f-]{36})$/;
/** As `wire::PUSH_OPS_MAX`. */
const PUSH_OPS_MAX = 500;
/** Below `wire::MESSAGE_BYTES_MAX`, with room for what stands around the ops. */
const PUSH_BYTES_MAX = 1_000_000;
/** Values of MessagePack whose first byte does not say everything: what follows it, and in how many bytes. */
const SIZED = {
  0xc4: ["bytes", 1], 0xc5: ["bytes", 2], 0xc6: ["bytes", 4], 0xd9: ["bytes", 1], 0xda: ["bytes", 2], 0xdb: ["bytes", 4],
  0xcc: ["number", 1], 0xcd: ["number", 2], 0xce: ["number", 4], 0xcf: ["number", 8],
  0xd0: ["number", 1], 0xd1: ["number", 2], 0xd2: ["number", 4], 0xd3: ["number", 8],
  0xdc: ["list", 2], 0xdd: ["list", 4], 0xde: ["map", 2], 0xdf: ["map", 4],
};
/** A push that takes longer gives the outbox back to the tabs. */
const PUSH_MS_MAX = 30_000;

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("message", (event) => {
  // Only a person decides when a page is replaced under them: the page asks, and then says so here.
  if (event.data?.type === "skip-waiting") self.skipWaiting();
  // A page that was on its way when this worker took charge of all others.
  if (event.data?.type === "claim") event.waitUntil(self.clients.claim());
});
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin || url.pathname.startsWith("/api/")) return;
  if (request.mode === "navigate") {
    event.respondWith(navigate(request));
  } else if (PRECACHE.includes(url.pathname)) {
    event.respondWith(kept(request));
  }
});
self.addEventListener("sync", (event) => {
  if (event.tag === OUTBOX_TAG) event.waitUntil(pushOutboxes());
});

/** All files of this build or none: a worker with half of them is not installed. */
async function install() {
  const cache = await caches.open(CACHE);
  try {
    // Past the browser's own cache, which may hold yesterday's.
    await cache.addAll(PRECACHE.map((path) => new Request(path, { cache: "reload" })));
  } catch (error) {
    await caches.delete(CACHE);
    throw error;
  }
}

/** Removes what older builds kept, and takes charge of a page that was opened before there was a worker. */
async function activate() {
  const names = await caches.keys();
  await Promise.all(
    names.filter((name) => name.startsWith(CACHE_PREFIX) && name !== CACHE).map((name) => caches.delete(name)),
  );
  await self.clients.claim();
}

/** The page from the server; the shell if the server cannot be reached in time. */
async function navigate(request) {
  const shell = await (await caches.open(CACHE)).match(SHELL, { ignoreVary: true });
  const answer = fetch(request);
  if (!shell) return answer;
  const { pathname, searchParams } = new URL(request.url);
  const patient = PATIENT.test(pathname) || searchParams.has(PATIENTLY);
  const late = new Promise((resolve) => patient || self.setTimeout(resolve, NAVIGATION_MS_MAX, undefined));
  try {
    const first = await Promise.race([answer, late]);
    // A gateway that answers for a server that does not is no answer.
    return first && ![502, 503, 504].includes(first.status) ? first : shell;
  } catch {
    return shell;
  } finally {
    // If it fails after the shell was shown, nobody waits for it any more.
    answer.catch(() => undefined);
  }
}

/** A file of this build. */
async function kept(request) {
  const found = await (await caches.open(CACHE)).match(request, { ignoreVary: true });
  return found ?? fetch(request);
}

/** Pushes every outbox of this browser. One that fails is tried again by the browser, later. */
async function pushOutboxes() {
  const databases = (await indexedDB.databases?.()) ?? [];
  const results = await Promise.allSettled(
    databases.map(async ({ name }) => {
      const [, workspace, member] = OUTBOX_NAME.exec(name ?? "") ?? [];
      if (!member) return;
      // The lock of the tabs: whoever holds it pushes already.
      const lock = `tidemark-${workspace}-${member}`;
      await navigator.locks.request(lock, { ifAvailable: true }, (held) => held && pushOutbox(name, member));
    }),
  );
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}

/**
 * Pushes the ops of one outbox in their order, whole intents only. They are not removed: a tab does that when it gets the
 * receipts, and a second push of the same bytes is answered with the same receipts.
 */
async function pushOutbox(name, member) {
  const { ops, settledIn } = await readOutbox(name);
  const intents = [];
  for (const op of ops) {
    const intent = valueOf(op, "t");
    if (intents.at(-1)?.intent !== intent) intents.push({ intent, ops: [], size: 0 });
    intents.at(-1).ops.push(op);
    intents.at(-1).size += op.length;
  }
  if (intents.length === 0) return;
  // Where a backup was restored, a tab offers first again what had settled before, because these may need it.
  if (settledIn !== undefined && (await push(member, [])) !== settledIn) return;
  while (intents.length > 0) {
    const { ops: batch, size } = intents.shift();
    let room = PUSH_BYTES_MAX - size;
    while (intents.length > 0 && batch.length + intents[0].ops.length <= PUSH_OPS_MAX && intents[0].size <= room) {
      const next = intents.shift();
      room -= next.size;
      batch.push(...next.ops);
    }
    if ((await push(member, batch)) === undefined) return;
  }
}

/**
 * Pushes these and returns the encoded epoch of the server's history; nothing where a tab has to see to it. Throws where the
 * browser should try again later.
 */
async function push(member, ops) {
  const response = await fetch(PUSH_PATH, {
    method: "POST",
    headers: { "Content-Type": "application/msgpack", Accept: "application/msgpack" },
    body: pushBody(member, ops),
    signal: AbortSignal.timeout(PUSH_MS_MAX),
  });
  if (response.status === 429 || response.status >= 500) throw new Error(`the server answered ${response.status}`);
  // Signed out, or somebody else is signed in: the next tab asks the person.
  if (!response.ok) return undefined;
  const answer = new Uint8Array(await response.arrayBuffer());
  const epoch = valueOf(answer.subarray({ 0xc4: 2, 0xc5: 3, 0xc6: 5 }[answer[0]] ?? answer.length), "e");
  // Something between here and the server answered for it.
  if (epoch === undefined) throw new Error("the answer is not Tidemark's");
  return epoch;
}

/** The frozen ops of an outbox, in the order of their places, and in which epoch others settled; none if it is gone. */
function readOutbox(name) {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(name);
    // It was removed a moment ago. Making it anew is not this worker's business.
    opening.onupgradeneeded = () => opening.transaction.abort();
    opening.onerror = () => resolve({ ops: [], settledIn: undefined });
    opening.onsuccess = () => {
      const database = opening.result;
      database.onversionchange = () => database.close();
      if (!["ops", "settled"].every((name) => database.objectStoreNames.contains(name))) {
        // The next tab makes it whole.
        database.close();
        return resolve({ ops: [], settledIn: undefined });
      }
      const reading = database.transaction(["ops", "settled"]);
      const ops = reading.objectStore("ops").getAll();
      const epoch = reading.objectStore("settled").get("epoch");
      reading.onabort = () => reject(reading.error);
      reading.oncomplete = () => {
        database.close();
        resolve({ ops: ops.result, settledIn: epoch.result && String(epoch.result) });
      };
    };
  });
}

/** What an encoded map of few keys holds under a key of one letter, still encoded; nothing if it is no such map. */
function valueOf(map, letter) {
  let at = 1;
  for (let left = (map[0] & 0xf0) === 0x80 ? map[0] & 0x0f : 0; left > 0; left -= 1) {
    const value = endOf(map, at);
    const end = endOf(map, value);
    if (!(end <= map.length)) return undefined;
    if (map[at] === 0xa1 && map[at + 1] === letter.charCodeAt(0)) return String(map.subarray(value, end));
    at = end;
  }
  return undefined;
}

/** Where the MessagePack value ends that begins here. */
function endOf(bytes, at) {
  const head = bytes[at];
  const number = (size) => bytes.subarray(at + 1, at + 1 + size).reduce((sum, byte) => sum * 256 + byte, 0);
  const behind = (count, from) => {
    for (; count > 0 && from < bytes.length; count -= 1) from = endOf(bytes, from);
    return count > 0 ? Number.NaN : from;
  };
  if (head < 0x80 || head >= 0xe0 || (head >= 0xc0 && head <= 0xc3)) return at + 1;
  if (head < 0x90) return behind(2 * (head & 0x0f), at + 1);
  if (head < 0xa0) return behind(head & 0x0f, at + 1);
  if (head < 0xc0) return at + 1 + (head & 0x1f);
  // Bytes and texts, numbers, lists and maps, each with its size in so many bytes.
  const [sort, size] = SIZED[head] ?? [];
  if (sort === "bytes") return at + 1 + size + number(size);
  if (sort === "number") return at + 1 + size;
  if (sort === "list") return behind(number(size), at + 1 + size);
  if (sort === "map") return behind(2 * number(size), at + 1 + size);
  // Not as Tidemark writes it: it has no end.
  return Number.NaN;
}

/** The body of `api::sync::push` in MessagePack: `[member, {b: 0, o: [op, …]}]`, the map as a byte string. */
function pushBody(member, ops) {
  const message = [new Uint8Array([0x82, 0xa1, 0x62, 0x00, 0xa1, 0x6f]), arrayHead(ops.length), ...ops.flatMap(bytes)];
  const id = Uint8Array.from(member.replaceAll("-", "").match(/../g), (pair) => parseInt(pair, 16));
  return new Blob([new Uint8Array([0x92]), ...bytes(id), ...bytesOf(message)]);
}

/** A byte string: its head and itself. */
function bytes(value) {
  return [bytesHead(value.length), value];
}

/** A byte string in several parts. */
function bytesOf(parts) {
  return [bytesHead(parts.reduce((sum, part) => sum + part.length, 0)), ...parts];
}

function bytesHead(length) {
  if (length < 0x100) return new Uint8Array([0xc4, length]);
  if (length < 0x10000) return new Uint8Array([0xc5, length >> 8, length & 0xff]);
  return new Uint8Array([0xc6, length >>> 24, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff]);
}

function arrayHead(length) {
  return length < 16 ? new Uint8Array([0x90 | length]) : new Uint8Array([0xdc, length >> 8, length & 0xff]);
}
