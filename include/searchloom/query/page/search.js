// Searching: asks, keeps the newest answer alone, and goes on where the first page ends.
import { remember } from "./address.js";
import { call } from "./api.js";
import { served } from "./corpora.js";
import { closePanel } from "./panel.js";
import { noFilters, state, update } from "./store.js";
import { closeSuggestions } from "./suggest.js";
import { t } from "./texts/index.js";

const PAGE = 10;
const FACETS = ["mime", "language", "section"];
let running = null; // the controller of the newest search: an older one is stopped, its answer never shown

export function searchFor(text) {
  const query = text.trim();
  update({ typed: text, query, asTyped: false, ...(!query && { filters: noFilters() }) });
  remember();
  return run();
}

export function searchAgain(changes = {}) {
  update(changes);
  remember();
  return run();
}

export async function run() {
  running?.abort();
  closeSuggestions();
  if (!state.query) return goHome();
  if (!state.corpus) return update({ search: { phase: "loading" } }); // the page asks again once it knows where to look
  const mine = new AbortController();
  running = mine;
  update({ search: { ...state.search, phase: "loading" }, announcement: t().results.searching, explained: new Set() });
  try {
    const answer = await call("/v1/search", { body: { ...question(), facets: FACETS }, signal: mine.signal });
    if (mine !== running) return;
    const search = { phase: "done", answer, results: answer.results, next: answer.next_page, more: "idle" };
    update({ search, announcement: t().results.shown(answer.results.length, Boolean(answer.next_page)) });
    served(answer);
  } catch (error) {
    if (error.name === "AbortError") return;
    update({ search: { phase: "failed", error }, announcement: t().errors.heading });
  }
}

// Returns the place of the first new result, so that the keyboard can go there.
export async function more() {
  const { search } = state;
  if (search.phase !== "done" || !search.next || search.more === "loading") return -1;
  const first = search.results.length;
  update({ search: { ...search, more: "loading" } });
  try {
    const answer = await call("/v1/search", { body: { ...question(), page_token: search.next }, signal: running.signal });
    const results = [...search.results, ...answer.results];
    update({ search: { ...search, results, next: answer.next_page, more: "idle" } });
    return first;
  } catch (error) {
    if (error.name !== "AbortError") update({ search: { ...search, more: "failed" } });
    return -1;
  }
}

function question() {
  const { mode, engine, personalize, rerank } = state.options;
  const filters = Object.fromEntries(Object.entries(state.filters).filter(([, value]) => value.length));
  return {
    query: state.query,
    corpus: state.corpus,
    mode,
    k: PAGE,
    explain: true, // the bars are a keystroke away; the scores cost the service nothing
    personalize,
    rerank,
    correct: !state.asTyped,
    ...(engine && { engine }),
    ...(Object.keys(filters).length && { filters }),
  };
}

function goHome() {
  if (state.panel === "reader") closePanel();
  update({ search: { phase: "idle" }, announcement: "" });
}
