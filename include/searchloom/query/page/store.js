// The one state of the page. A view reads it; an action changes it by `update`, which draws the page anew, once a turn.
const NO_FILTERS = { mime: [], language: [], section: [], after: "", before: "" };
export const noFilters = () => structuredClone(NO_FILTERS);

export const state = {
  language: "en",
  theme: "auto",
  shortcuts: true,
  has: new Set(), // parts that this service offers: suggest, chat, recommend, events
  signin: null, // null: signed in; otherwise { failed }
  failed: null, // why the page could not begin
  corpora: null,
  corpus: "",
  typed: "", // what stands in the box
  query: "", // what was searched
  asTyped: false, // nothing in it is to be corrected
  options: { mode: "hybrid", engine: "", explain: false, personalize: true, rerank: true },
  filters: noFilters(),
  filtersShown: false, // on a narrow page
  unfolded: new Set(), // facets that show all their values
  search: { phase: "idle" }, // idle | loading | done | failed
  suggestions: { items: [], at: -1, open: false },
  home: { phase: "idle", results: [] },
  panel: null, // null | "reader" | "chat"
  reader: null,
  chat: { id: null, turns: [], busy: false },
  explained: new Set(), // documents whose bars are shown
  announcement: "", // what a screen reader says next
};

let draw = () => {};
let waiting = false;

export function onChange(listener) {
  draw = listener;
}

export function update(patch) {
  Object.assign(state, patch);
  if (waiting) return;
  waiting = true;
  queueMicrotask(() => {
    waiting = false;
    draw();
  });
}
