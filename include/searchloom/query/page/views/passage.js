// A passage with its marks, as text nodes.
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { pieces } from "../passage.js";

const shown = (text) => pieces(text).map(({ text: words, marked }) => (marked ? html`<mark>${words}</mark>` : words));

// `document.passage` is escaped and marked by the service; `document.text` is plain.
export const passage = (document, className = "passage") => html`
  <p class=${className} lang=${document.language || nothing}
    >${document.passage ? shown(document.passage) : document.text}</p>`;
