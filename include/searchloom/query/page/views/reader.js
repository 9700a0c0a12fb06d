// An opened document: what was found in it, why, and what resembles it.
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { language, type } from "../names.js";
import { askAbout, openDocument } from "../panel.js";
import { origin } from "../recommend.js";
import { state } from "../store.js";
import { t } from "../texts/index.js";
import * as notes from "./notes.js";
import { passage } from "./passage.js";
import { title } from "./title.js";
import { why } from "./why.js";

export function reader() {
  const { document, similar } = state.reader;
  return html`
    <article class="reader">
      <h2 id="panel-heading" tabindex="-1">${title(document)}</h2>
      <dl class="facts">
        ${fact(t().reader.from, document.key)} ${fact(t().reader.section, document.section)}
        ${fact(t().reader.language, document.language && language(document.language))}
        ${fact(t().reader.type, document.mime && type(document.mime))}
      </dl>
      ${passage(document, "reading")}
      ${state.has.has("chat") ? askButton(document) : nothing}
      ${why(document)}
    </article>
    ${state.has.has("recommend") ? neighbours(similar) : nothing}`;
}

const askButton = (document) => html`
  <p><button class="plain" type="button" @click=${() => askAbout(document)}>${t().reader.ask}</button></p>`;

const fact = (name, value) => (value ? html`<div><dt>${name}</dt><dd>${value}</dd></div>` : nothing);

const neighbours = ({ phase, results, degraded, release }) => html`
  <section class="similar" aria-labelledby="similar">
    <h3 id="similar">${t().reader.similar}</h3>
    ${phase === "loading" ? html`<p class="soft">${t().loading}</p>` : nothing}
    ${phase !== "loading" && !results.length ? html`<p class="soft">${t().reader.noSimilar}</p>` : nothing}
    <ul>${results.map((one, place) => html`
      <li><button class="title" type="button"
                  @click=${() => openDocument(one, origin("similar", { results, release }, place))}
        >${title(one)}</button>
        <p class="text">${one.text}</p></li>`)}
    </ul>
    ${notes.left(degraded)}
  </section>`;
