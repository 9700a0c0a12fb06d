// The start page below the box: what this person may want to read.
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { openDocument } from "../panel.js";
import { state } from "../store.js";
import { t } from "../texts/index.js";

export function home() {
  const { phase, results } = state.home;
  if (state.corpora && !state.corpora.length) return html`<p class="empty" role="status">${t().errors.noCorpora}</p>`;
  if (!state.has.has("recommend") || phase === "idle") return nothing;
  return html`
    <section class="home" aria-labelledby="recommended">
      <h2 id="recommended">${t().home.recommended}</h2>
      ${phase === "failed" ? html`<p class="soft">${t().home.failed}</p>` : nothing}
      ${phase === "done" && !results.length ? html`<p class="soft">${t().home.nothing}</p>` : nothing}
      ${phase === "loading" ? waiting() : html`<ul class="cards">${results.map(card)}</ul>`}
    </section>`;
}

const card = (document, place) => html`
  <li><article>
    <h3><button class="title" type="button" data-walk @click=${() => openDocument(document, origin(place))}
      >${document.title || t().reader.untitled}</button></h3>
    <p class="text">${document.text}</p>
    ${document.reason ? html`<p class="reason">${document.reason}</p>` : nothing}
  </article></li>`;

const origin = (place) => ({
  scene: "home",
  position: place + 1,
  traceId: state.home.traceId,
  release: state.home.release,
});

const waiting = () => html`
  <div class="skeleton cards" aria-hidden="true">${[1, 2, 3].map(() => html`<div><i></i><i></i><i></i></div>`)}</div>`;
