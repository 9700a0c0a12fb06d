// Starts the page: preferences, the address, the collections, then the search that the address asks for.
import { recall as recallAddress } from "./address.js";
import { parts, signedIn } from "./api.js";
import * as corpora from "./corpora.js";
import * as events from "./events.js";
import * as keyboard from "./keyboard.js";
import { recall as recallPreferences } from "./preferences.js";
import { recommendHome } from "./recommend.js";
import { run } from "./search.js";
import { onChange, state, update } from "./store.js";
import { t } from "./texts/index.js";
import { render } from "./vendor/lit-html/lit-html.js";
import { page } from "./views/page.js";

const place = document.getElementById("app");

function draw() {
  document.title = state.query ? `${state.query} · ${t().title}` : t().title;
  render(page(begin), place);
  if (!state.query && state.corpora && !state.signin) recommendHome();
}

async function begin() {
  update({ failed: null });
  try {
    await corpora.load();
  } catch (failed) {
    return update({ failed: state.signin ? null : failed });
  }
  recallAddress();
  if (state.corpus && state.query) run();
  if (!state.query) requestAnimationFrame(() => document.getElementById("query")?.focus());
}

onChange(draw);
recallPreferences();
update({ has: new Set(parts()), signin: signedIn() ? null : { failed: false } });
keyboard.start();
events.start();
addEventListener("popstate", () => {
  recallAddress();
  run();
});
corpora.watch(begin);
if (signedIn()) begin();
