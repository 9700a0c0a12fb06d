// Language, theme and shortcuts: kept in this browser, and nowhere else.
import { state, update } from "./store.js";
import { texts } from "./texts/index.js";

const PREFIX = "searchloom.";
const THEMES = ["auto", "light", "dark"];

function read(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null; // a browser may forbid storage; then a preference lasts as long as the page
  }
}

function write(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // see read()
  }
}

export function recall() {
  const wanted = [read("language"), ...navigator.languages].filter(Boolean).map((tag) => tag.slice(0, 2));
  const theme = read("theme");
  update({
    language: wanted.find((tag) => tag in texts) ?? "en",
    theme: THEMES.includes(theme) ? theme : "auto",
    shortcuts: read("shortcuts") !== "off",
  });
  show();
}

export function switchLanguage() {
  update({ language: state.language === "en" ? "zh" : "en" });
  write("language", state.language);
  show();
}

export function switchTheme() {
  update({ theme: THEMES[(THEMES.indexOf(state.theme) + 1) % THEMES.length] });
  write("theme", state.theme);
  show();
}

export function useShortcuts(on) {
  update({ shortcuts: on });
  write("shortcuts", on ? "on" : "off");
}

function show() {
  document.documentElement.lang = texts[state.language].code;
  if (state.theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = state.theme;
}
