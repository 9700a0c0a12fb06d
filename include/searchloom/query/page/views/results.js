// The answer to a search: what was found, one document after the other.
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { openDocument } from "../panel.js";
import { language, type } from "../names.js";
import { more, run, searchAgain } from "../search.js";
import { state, update } from "../store.js";
import { t } from "../texts/index.js";
import * as filters from "./filters.js";
import * as notes from "./notes.js";
import { options } from "./options.js";
import { passage } from "./passage.js";
import { title } from "./title.js";
import { timings, why } from "./why.js";

export const results = () => html`
  <h1 class="unseen">${t().results.label}: ${state.query}</h1>
  <div class="bar">
    <p class="facts">${state.search.phase === "loading" ? t().results.searching : facts()}</p>
    <button class="plain narrow" type="button" aria-expanded=${Boolean(state.filtersShown)} aria-controls="filters"
            @click=${() => update({ filtersShown: !state.filtersShown })}>${t().filters.show(filters.count())}</button>
    ${options()}
  </div>
  ${filters.chosen()} ${notes.release()}
  ${state.search.phase === "failed" ? notes.failure(state.search.error, run) : found()}`;

function facts() {
  const { answer, results: all, next } = state.search;
  if (!answer) return nothing;
  const { shown, release, took } = t().results;
  const words = [
    shown(all.length, Boolean(next)),
    t().engines[answer.engine],
    release(answer.release),
    took(Math.round(answer.took_ms)),
  ];
  return words.map((word, place) => html`<span class=${place ? "soft" : ""}>${word}</span>`);
}

function found() {
  const { answer, results: all, phase } = state.search;
  if (!answer) return skeleton();
  if (!all.length && phase === "done") return nothingFound();
  return html`
    ${notes.left(answer.degraded)}
    ${answer.query.corrected ? corrected(answer.query) : nothing}
    ${state.options.explain ? timings(answer.timings) : nothing}
    <ol class="results ${phase === "loading" ? "older" : ""}" aria-busy=${phase === "loading"}>
      ${repeat(all, (result) => result.doc_id, item)}
    </ol>
    ${ending()}`;
}

function item(result, place) {
  const bars = state.options.explain !== state.explained.has(result.doc_id); // one result may differ from the rest
  const where = [result.section, result.key].filter(Boolean);
  return html`
    <li class="result">
      <article>
        <h2><button class="title" type="button" data-walk @click=${() => openDocument(result, origin(place))}
          >${title(result)}</button></h2>
        ${passage(result)}
        <p class="meta">${where.map((part) => html`<span>${part}</span>`)}
          ${result.language ? html`<span>${language(result.language)}</span>` : nothing}
          ${result.mime ? html`<span>${type(result.mime)}</span>` : nothing}
          ${result.parts ? whyButton(result.doc_id, bars) : nothing}
        </p>
        ${bars ? why(result) : nothing}
      </article>
    </li>`;
}

const whyButton = (id, open) => html`
  <button class="link" type="button" aria-expanded=${open} @click=${() => explain(id)}>${t().results.why}</button>`;

const origin = (place) => ({
  scene: "search",
  query: state.query,
  position: place + 1,
  traceId: state.search.answer.trace_id,
  release: state.search.answer.release,
});

function explain(id) {
  const explained = new Set(state.explained);
  if (!explained.delete(id)) explained.add(id);
  update({ explained });
}

function ending() {
  const { next, more: going, results: all } = state.search;
  if (going === "failed") {
    return html`<p class="ending">${t().results.moreFailed}
      <button class="plain" type="button" @click=${goOn}>${t().retry}</button></p>`;
  }
  if (next) {
    const words = going === "loading" ? t().loading : t().results.more;
    return html`<p class="ending"><button class="plain" type="button" data-walk @click=${goOn}>${words}</button></p>`;
  }
  return all.length > 5 ? html`<p class="ending soft">${t().results.all}</p>` : nothing;
}

async function goOn() {
  const first = await more();
  if (first >= 0) requestAnimationFrame(() => document.querySelectorAll(".result .title")[first]?.focus());
}

const nothingFound = () => html`
  ${notes.left(state.search.answer.degraded)}
  <div class="empty">
    <h2>${t().results.nothing}</h2>
    ${filters.count()
      ? html`<p>${t().results.nothingFiltered}
          <button class="link" type="button" @click=${filters.clear}>${t().filters.clear}</button></p>`
      : html`<ul>${t().results.nothingTips.map((tip) => html`<li>${tip}</li>`)}</ul>`}
  </div>`;

const corrected = ({ text, corrected: instead }) => html`
  <p class="note">${t().results.corrected(instead)}
    <button class="link" type="button" @click=${asTyped}>${t().results.asTyped(text)}</button></p>`;

const asTyped = () => searchAgain({ asTyped: true });

const skeleton = () => html`
  <div class="skeleton" aria-hidden="true">${[70, 55, 62, 48].map(() => html`<div><i></i><i></i><i></i></div>`)}</div>`;
