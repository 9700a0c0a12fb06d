// What lies beside the results: an opened document with its neighbours, or the conversation.
import { send } from "./chat.js";
import { clicked, leave, reading } from "./events.js";
import { recommend } from "./recommend.js";
import { state, update } from "./store.js";
import { t } from "./texts/index.js";

const SIMILAR = 4;
let cameFrom = null;

// `document`: { doc_id, title, section, passage | text, ... }; `origin`: where it was shown, for the events.
export function openDocument(document, origin) {
  remember();
  clicked(document, origin);
  reading(document, origin);
  const reader = { document, origin, similar: { phase: "loading", results: [] } };
  update({ panel: "reader", reader });
  focusPanel();
  if (state.has.has("recommend")) fetchSimilar(reader);
}

// Back from the conversation to the document that was open before it.
export function showReader() {
  reading(state.reader.document, state.reader.origin);
  update({ panel: "reader" });
  focusPanel();
}

async function fetchSimilar(reader) {
  const similar = await recommend("similar", SIMILAR, { item: reader.document.doc_id });
  if (state.reader === reader) update({ reader: { ...reader, similar } });
}

export function openChat() {
  remember();
  leave();
  update({ panel: "chat" });
  requestAnimationFrame(() => document.getElementById("question")?.focus());
}

export function askAbout(document) {
  openChat();
  send(t().reader.question(document.title || document.key));
}

export function closePanel() {
  if (!state.panel) return;
  leave();
  update({ panel: null, reader: null });
  const back = cameFrom;
  cameFrom = null;
  requestAnimationFrame(() => back?.isConnected && back.focus());
}

function remember() {
  if (!state.panel) cameFrom = document.activeElement;
}

function focusPanel() {
  requestAnimationFrame(() => {
    document.getElementById("panel-heading")?.focus({ preventScroll: true });
    document.getElementById("panel-body")?.scrollTo(0, 0);
  });
}
