// All languages; `t()` is the one that is shown.
import { state } from "../store.js";
import en from "./en.js";
import zh from "./zh.js";

export const texts = { en, zh };
export const t = () => texts[state.language];
