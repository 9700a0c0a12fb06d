// What was opened and how long it was read: told to the service, in batches, at least once (it knows repeated ids).
import { call } from "./api.js";
import { state } from "./store.js";

const WAIT_MS = 1_500;
const KEPT = 100; // while the service cannot be reached
const WORTH_TELLING_S = 1;
let queue = [];
let timer = 0;
let open = null; // the document that is being read: { document, origin, seconds, since }

// `origin`: { scene, query?, position, traceId, release }
export function clicked(document, origin) {
  note("click", document, origin);
}

export function reading(document, origin) {
  leave();
  open = { document, origin, seconds: 0, since: performance.now() };
}

export function leave() {
  if (!open) return;
  pause();
  if (open.seconds >= WORTH_TELLING_S) note("dwell", open.document, open.origin, Math.round(open.seconds * 10) / 10);
  open = null;
}

function pause() {
  if (open?.since) open.seconds += (performance.now() - open.since) / 1000;
  if (open) open.since = 0;
}

function note(type, document, origin, value) {
  if (!state.has.has("events")) return;
  queue.push({
    event_id: newId(),
    time: new Date().toISOString(),
    type,
    item_id: document.doc_id,
    corpus: state.corpus,
    scene: origin.scene,
    release: origin.release,
    trace_id: origin.traceId,
    position: origin.position,
    query: origin.query,
    value,
  });
  queue = queue.slice(-KEPT);
  clearTimeout(timer);
  timer = setTimeout(send, WAIT_MS);
}

// crypto.randomUUID exists on https and localhost only; these digits exist everywhere.
function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function send() {
  clearTimeout(timer);
  const events = queue;
  if (!events.length) return;
  queue = [];
  try {
    await call("/v1/events", { body: { events }, keepalive: true });
  } catch (error) {
    if (error.kind === "refused") return; // the service will not take them another time either
    queue = [...events, ...queue].slice(-KEPT);
  }
}

// A hidden page is not being read, and may never come back.
export function start() {
  document.addEventListener("visibilitychange", () => {
    pause();
    if (document.hidden) send();
    else if (open) open.since = performance.now();
  });
  addEventListener("pagehide", () => {
    leave();
    send();
  });
}
