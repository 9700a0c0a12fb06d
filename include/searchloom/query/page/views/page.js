// The whole page, from the state.
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { state } from "../store.js";
import { t } from "../texts/index.js";
import { filters } from "./filters.js";
import { header } from "./header.js";
import { help } from "./help.js";
import { home } from "./home.js";
import * as notes from "./notes.js";
import { panel } from "./panel.js";
import { results } from "./results.js";
import { signin } from "./signin.js";

export const page = (begin) => html`
  <a class="skip" href="#results" @click=${skip}>${t().skip}</a>
  <div class="page ${state.query ? "searched" : "at-home"} ${state.panel ? "beside" : ""}">
    ${header()}
    <div class="columns">
      ${state.query && !state.signin ? filters() : nothing}
      <main id="results" tabindex="-1">${content(begin)}</main>
      ${state.signin ? nothing : panel()}
    </div>
  </div>
  <p class="unseen" role="status" aria-live="polite">${state.announcement}</p>
  ${help()}`;

function content(begin) {
  if (state.signin) return signin(begin);
  if (state.failed) return notes.failure(state.failed, begin);
  return state.query && state.corpora?.length !== 0 ? results() : home();
}

function skip(event) {
  event.preventDefault();
  document.getElementById("results").focus();
}
