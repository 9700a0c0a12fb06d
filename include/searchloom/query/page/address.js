// The search stands in the address: it can be sent to somebody, and the back button works.
import { noFilters, state, update } from "./store.js";

const LISTS = ["mime", "language", "section"];
const DATES = ["after", "before"];

export function remember({ replace = false } = {}) {
  const address = `/${encode()}`;
  if (address === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", address);
}

function encode() {
  const { query, corpus, options, filters } = state;
  const words = new URLSearchParams();
  if (query) words.set("q", query);
  if (corpus) words.set("corpus", corpus);
  if (options.mode !== "hybrid") words.set("mode", options.mode);
  if (options.engine) words.set("engine", options.engine);
  if (options.explain) words.set("explain", "1");
  if (!options.personalize) words.set("personalize", "0");
  if (!options.rerank) words.set("rerank", "0");
  for (const name of LISTS) for (const value of filters[name]) words.append(name, value);
  for (const name of DATES) if (filters[name]) words.set(name, filters[name]);
  return words.size ? `?${words}` : "";
}

export function recall() {
  const words = new URLSearchParams(location.search);
  const filters = noFilters();
  for (const name of LISTS) filters[name] = words.getAll(name);
  for (const name of DATES) filters[name] = words.get(name) ?? "";
  const query = words.get("q")?.trim() ?? "";
  update({
    query,
    typed: query,
    corpus: words.get("corpus") ?? state.corpus,
    filters,
    options: {
      mode: words.get("mode") ?? "hybrid",
      engine: words.get("engine") ?? "",
      explain: words.has("explain"),
      personalize: words.get("personalize") !== "0",
      rerank: words.get("rerank") !== "0",
    },
  });
}
