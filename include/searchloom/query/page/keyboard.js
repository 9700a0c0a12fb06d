// Keys that work everywhere on the page. Single letters do nothing while somebody types, and can be switched off.
import { remember } from "./address.js";
import { closePanel, openChat } from "./panel.js";
import { state, update } from "./store.js";
import { show as showHelp } from "./views/help.js";

const TYPING = "input:not([type=checkbox], [type=radio]), textarea, select";
const box = () => document.getElementById("query");

const SINGLE = {
  "/": () => box()?.select(),
  "?": showHelp,
  e: explain,
  c: () => state.has.has("chat") && (state.panel === "chat" ? closePanel() : openChat()),
};

export function start() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]")) return; // it has keys of its own
    const act = event.key === "Escape" ? escape : arrow(event) ?? single(event);
    if (!act) return;
    event.preventDefault();
    act();
  });
  document.addEventListener("pointerdown", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
}

function single(event) {
  return state.shortcuts && !state.signin && !event.target.matches(TYPING) ? SINGLE[event.key] : undefined;
}

function arrow({ key, target }) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[key];
  if (!step || target.closest(".panel, .menu, .filters") || (target.matches(TYPING) && target !== box())) return undefined;
  return () => walk(step);
}

function walk(step) {
  const stops = [...document.querySelectorAll("[data-walk]")];
  const at = stops.indexOf(document.activeElement);
  if (at + step < 0) return void box()?.focus();
  const next = stops[Math.min(at + step, stops.length - 1)];
  next?.focus();
  next?.closest("li, p").scrollIntoView({ block: "nearest" });
}

// One step back a press: the menu, the panel, then the box.
function escape() {
  const menu = document.querySelector("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  } else if (state.panel) closePanel();
  else box()?.select();
}

function explain() {
  update({ options: { ...state.options, explain: !state.options.explain }, explained: new Set() });
  remember({ replace: true });
}
