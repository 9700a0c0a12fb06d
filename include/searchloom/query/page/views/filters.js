// Facets and dates; what is chosen stands above the results too, each with a way to take it off.
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { live } from "../vendor/lit-html/directives/live.js";
import { value as nameOf } from "../names.js";
import { searchAgain } from "../search.js";
import { noFilters, state, update } from "../store.js";
import { t } from "../texts/index.js";
import { cross } from "./icons.js";

const FACETS = ["mime", "language", "section"];
const DATES = ["after", "before"];
const FEW = 6;

export const count = () =>
  FACETS.flatMap((name) => state.filters[name]).length + DATES.filter((name) => state.filters[name]).length;

export const filters = () => html`
  <aside class="filters ${state.filtersShown ? "shown" : ""}" id="filters" aria-label=${t().filters.label}>
    ${FACETS.map(facet)} ${dates()}
  </aside>`;

function facet(name) {
  const counted = state.search.answer?.facets?.[name] ?? [];
  const missing = state.filters[name].filter((value) => !counted.some((one) => one.value === value));
  const all = [...missing.map((value) => ({ value })), ...counted];
  if (all.length < 2 && !state.filters[name].length) return nothing; // one value narrows nothing
  const unfolded = state.unfolded.has(name);
  return html`
    <fieldset>
      <legend>${t().filters[name]}</legend>
      ${all.slice(0, unfolded ? all.length : FEW).map((one) => box(name, one))}
      ${all.length > FEW ? html`<button class="link" type="button" aria-expanded=${unfolded} @click=${() => fold(name)}
        >${unfolded ? t().filters.less : t().filters.more}</button>` : nothing}
    </fieldset>`;
}

const box = (name, { value, count: found }) => html`
  <label class="switch"><input type="checkbox" .checked=${live(state.filters[name].includes(value))}
         @change=${() => toggle(name, value)}><span>${nameOf(name, value)}</span>
    ${found === undefined ? nothing : html`<small>${found.toLocaleString(t().code)}</small>`}</label>`;

const dates = () => html`
  <fieldset class="dates">
    <legend>${t().filters.date}</legend>
    ${DATES.map((name) => html`
      <label><span>${t().filters[name]}</span><input type="date" .value=${live(state.filters[name])}
             @change=${(event) => change({ [name]: event.target.value })}></label>`)}
  </fieldset>`;

export function chosen() {
  if (!count()) return nothing;
  const lists = FACETS.flatMap((name) =>
    state.filters[name].map((value) => chip(nameOf(name, value), () => toggle(name, value))));
  const days = DATES.filter((name) => state.filters[name]).map((name) =>
    chip(`${t().filters[name]} ${state.filters[name]}`, () => change({ [name]: "" })));
  return html`<div class="chips">${lists}${days}
    <button class="link" type="button" @click=${clear}>${t().filters.clear}</button></div>`;
}

const chip = (words, remove) => html`
  <button class="chip" type="button" aria-label=${t().filters.remove(words)} @click=${remove}>${words}${cross}</button>`;

export const clear = () => searchAgain({ filters: noFilters() });
const change = (patch) => searchAgain({ filters: { ...state.filters, ...patch } });

function toggle(name, value) {
  const now = state.filters[name];
  change({ [name]: now.includes(value) ? now.filter((one) => one !== value) : [...now, value] });
}

function fold(name) {
  const unfolded = new Set(state.unfolded);
  if (!unfolded.delete(name)) unfolded.add(name);
  update({ unfolded });
}
