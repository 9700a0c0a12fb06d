// The start page below the box: what this person may want to read.
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { openDocument } from "../panel.js";
import { origin } from "../recommend.js";
import { state } from "../store.js";
import { t } from "../texts/index.js";
import * as notes from "./notes.js";
import { title } from "./title.js";

export function home() {
  const { phase, results, degraded } = state.home;
  if (state.corpora && !state.corpora.length) return html`<p class="empty" role="status">${t().errors.noCorpora}</p>`;
  if (!state.has.has("recommend") || phase === "idle") return nothing;
  return html`
    <section class="home" aria-label=${t().home.recommended}>
      ${phase === "failed" ? html`<p class="soft alone">${t().home.failed}</p>` : nothing}
      ${phase === "done" && !results.length ? html`<p class="soft alone">${t().home.nothing}</p>` : nothing}
      ${phase === "loading" ? waiting() : nothing}
      ${results.length ? html`<h2>${t().home.recommended}</h2><ul class="cards">${results.map(card)}</ul>` : nothing}
      ${notes.left(degraded)}
    </section>`;
}

const card = (document, place) => html`
  <li><article>
    <h3><button class="title" type="button" data-walk @click=${() => openDocument(document, origin("home", state.home, place))}
      >${title(document)}</button></h3>
    <p class="text">${document.text}</p>
    <p class="reason">${t().home.reason(document.source, document.reason)}</p>
  </article></li>`;

const waiting = () => html`
  <div class="skeleton cards" aria-hidden="true">${[1, 2, 3].map(() => html`<div><i></i><i></i><i></i></div>`)}</div>`;
