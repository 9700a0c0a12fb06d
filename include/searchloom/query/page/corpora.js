// Which collections there are, and which release of each serves.
import { call } from "./api.js";
import { state, update } from "./store.js";

const LOOK_AGAIN_MS = 60_000;
const FIRST_LOAD_MS = 4_000;

export async function load() {
  const { corpora } = await call("/v1/corpora");
  const names = corpora.map(({ corpus }) => corpus);
  const corpus = [state.corpus, "default", names[0]].find((name) => names.includes(name)) ?? "";
  update({ corpora, corpus });
  return corpora.length > 0;
}

export const serving = () => state.corpora?.find(({ corpus }) => corpus === state.corpus)?.release;

// Looks again and again: until there is something to search, then for a release that takes over.
export function watch(whenFirst) {
  const again = async () => {
    const empty = !state.corpora?.length;
    try {
      if (!document.hidden && (await load()) && empty) whenFirst();
    } catch {
      // the next search says what is wrong; the watch goes on
    }
    watch(whenFirst);
  };
  setTimeout(again, state.corpora?.length ? LOOK_AGAIN_MS : FIRST_LOAD_MS);
}

// An answer names its release too, and is never older than what was listed before it.
export function served({ corpus, release }) {
  const corpora = state.corpora.map((one) => (one.corpus === corpus ? { ...one, release } : one));
  update({ corpora });
}
