// How to rank, which engine to ask: rarely needed, so behind one button.
import { html } from "../vendor/lit-html/lit-html.js";
import { live } from "../vendor/lit-html/directives/live.js";
import { remember } from "../address.js";
import { searchAgain } from "../search.js";
import { state, update } from "../store.js";
import { t } from "../texts/index.js";
import { sliders } from "./icons.js";

const MODES = ["hybrid", "bm25", "vector"];
const ENGINES = ["", "opensearch", "elasticsearch"];
const engineName = (engine) => t().engines[engine] ?? t().options.automatic;

export const options = () => html`
  <details class="menu" @focusout=${closeWhenLeft}>
    <summary class="plain">${sliders}${t().options.label}</summary>
    <div class="sheet">
      ${choice("mode", t().options.mode, MODES, (mode) => t().options[mode])}
      ${choice("engine", t().options.engine, ENGINES, engineName)}
      <fieldset>
        <legend>${t().options.more}</legend>
        ${tick("rerank", () => searchAgain())} ${tick("personalize", () => searchAgain())}
        ${tick("explain", () => remember({ replace: true }))}
      </fieldset>
    </div>
  </details>`;

const choice = (name, label, values, words) => html`
  <fieldset>
    <legend>${label}</legend>
    ${values.map((value) => html`
      <label class="switch">
        <input type="radio" name=${name} .value=${value} .checked=${live(state.options[name] === value)}
               @change=${() => { set(name, value); searchAgain(); }}>
        <span>${words(value)}</span>
      </label>`)}
  </fieldset>`;

const tick = (name, then) => html`
  <label class="switch">
    <input type="checkbox" name=${name} .checked=${live(state.options[name])}
           @change=${(event) => { set(name, event.target.checked); then(); }}>
    <span>${t().options[name]}</span>
  </label>`;

const set = (name, value) => update({ options: { ...state.options, [name]: value } });

function closeWhenLeft(event) {
  if (event.relatedTarget && !event.currentTarget.contains(event.relatedTarget)) event.currentTarget.open = false;
}
