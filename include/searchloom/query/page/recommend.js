// Recommendations: on the start page, and beside an opened document.
import { call } from "./api.js";
import { state, update } from "./store.js";

const HOME = 6;
let homeFor = ""; // the collection whose recommendations are shown

export async function recommend(scene, { item, k }) {
  try {
    const answer = await call("/v1/recommend", { body: { corpus: state.corpus, scene, k, ...(item && { item }) } });
    return { phase: "done", results: answer.results, traceId: answer.trace_id, release: answer.release };
  } catch {
    return { phase: "failed", results: [] };
  }
}

export async function recommendHome() {
  if (!state.has.has("recommend") || !state.corpus || homeFor === state.corpus) return;
  const corpus = state.corpus;
  homeFor = corpus;
  update({ home: { phase: "loading", results: [] } });
  const home = await recommend("home", { k: HOME });
  if (corpus === state.corpus) update({ home });
  if (home.phase === "failed") homeFor = "";
}
