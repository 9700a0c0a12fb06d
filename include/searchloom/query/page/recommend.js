// Recommendations: on the start page, and beside an opened document.
import { call } from "./api.js";
import { state, update } from "./store.js";

const HOME = 6;
let homeFor = ""; // the collection whose recommendations are shown

// `subject`: what the scene is about, { item } or { conversation_id }.
export async function recommend(scene, k, subject = {}) {
  try {
    const { results, release, degraded } = await call("/v1/recommend", { body: { corpus: state.corpus, scene, k, ...subject } });
    return { phase: "done", results, release, degraded };
  } catch {
    return { phase: "failed", results: [] };
  }
}

// Where a recommendation was shown, for the events; each has a trace of its own.
export const origin = (scene, shown, place) => ({
  scene,
  position: place + 1,
  traceId: shown.results[place].trace_id,
  release: shown.release,
});

export async function recommendHome() {
  if (!state.has.has("recommend") || !state.corpus || homeFor === state.corpus) return;
  const corpus = state.corpus;
  homeFor = corpus;
  update({ home: { phase: "loading", results: [] } });
  const home = await recommend("home", HOME);
  if (corpus === state.corpus) update({ home });
  if (home.phase === "failed") homeFor = "";
}
