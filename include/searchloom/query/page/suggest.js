// Suggestions as one types. An answer to fewer letters than are typed by now is thrown away.
import { call } from "./api.js";
import { state, update } from "./store.js";

const WAIT_MS = 90; // between keystrokes: fast typing asks once
const COUNT = 7;
let timer = 0;
let running = null;

export function typing(text) {
  update({ typed: text });
  clearTimeout(timer);
  if (!state.has.has("suggest")) return;
  if (text.trim().length < 2) return void closeSuggestions();
  timer = setTimeout(suggest, WAIT_MS, text);
}

async function suggest(text) {
  running?.abort();
  running = new AbortController();
  const words = new URLSearchParams({ corpus: state.corpus, prefix: text, k: COUNT });
  try {
    const { suggestions } = await call(`/v1/suggest?${words}`, { signal: running.signal });
    if (text !== state.typed) return;
    const items = suggestions.filter(({ text: found }) => found.toLowerCase() !== text.trim().toLowerCase());
    update({ suggestions: { items, at: -1, open: items.length > 0 } });
  } catch {
    closeSuggestions(); // help that does not come is no trouble worth a word
  }
}

export function closeSuggestions() {
  clearTimeout(timer);
  running?.abort();
  if (state.suggestions.open) update({ suggestions: { items: [], at: -1, open: false } });
}

export function walkSuggestions(step) {
  const { items, at } = state.suggestions;
  const next = at + step;
  update({ suggestions: { items, open: true, at: next < -1 ? items.length - 1 : next >= items.length ? -1 : next } });
}

export const chosenSuggestion = () => state.suggestions.items[state.suggestions.at]?.text;
