// The keys, in a dialog of the browser's own: it keeps the focus inside and Esc closes it.
import { html } from "../vendor/lit-html/lit-html.js";
import { live } from "../vendor/lit-html/directives/live.js";
import { useShortcuts } from "../preferences.js";
import { state } from "../store.js";
import { t } from "../texts/index.js";
import { cross } from "./icons.js";

const dialog = () => document.getElementById("help");
export const show = () => dialog().showModal();

export const help = () => html`
  <dialog id="help" aria-labelledby="help-heading" @click=${(event) => event.target === dialog() && dialog().close()}>
    <div class="sheet">
      <div class="head">
        <h2 id="help-heading">${t().help.heading}</h2>
        <button class="tool" type="button" aria-label=${t().close} @click=${() => dialog().close()}>${cross}</button>
      </div>
      <dl class="keys">
        ${t().help.keys.map(([keys, meaning]) => html`
          <div><dt>${keys.split(" ").map((key) => html`<kbd>${key}</kbd>`)}</dt><dd>${meaning}</dd></div>`)}
      </dl>
      <p class="soft">${t().help.words}</p>
      <label class="switch"><input type="checkbox" .checked=${live(state.shortcuts)}
             @change=${(event) => useShortcuts(event.target.checked)}><span>${t().help.shortcuts}</span></label>
    </div>
  </dialog>`;
