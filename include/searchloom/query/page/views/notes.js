// Short sentences around the results: what was left out, what went wrong, what changed meanwhile.
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { serving } from "../corpora.js";
import { degraded } from "../names.js";
import { searchAgain } from "../search.js";
import { state } from "../store.js";
import { t } from "../texts/index.js";

export const left = (parts) => (parts?.length ? html`<p class="note warn">${degraded(parts)}</p>` : nothing);

export function release() {
  const [shown, live] = [state.search.answer?.release, serving()];
  if (!shown || !live || live <= shown || state.search.phase !== "done") return nothing;
  return html`<p class="note">${t().release.changed(live)}
    <button class="link" type="button" @click=${() => searchAgain()}>${t().release.again}</button></p>`;
}

export function sentence(error) {
  const { errors } = t();
  if (error.kind === "offline") return errors.offline;
  if (error.kind === "busy") return errors.busy(error.retryAfter);
  return spoken(error) || errors.unavailable;
}

// The service's messages are parts of log lines: without a capital, without a full stop.
function spoken({ message }) {
  return message ? message[0].toUpperCase() + message.slice(1).replace(/[^.?!]$/, "$&.") : "";
}

export const failure = (error, again) => html`
  <div class="failure" role="alert">
    <h2>${t().errors.heading}</h2>
    <p>${sentence(error)}</p>
    ${error.requestId ? html`<p class="soft">${t().errors.reference(error.requestId)}</p>` : nothing}
    <button class="plain" type="button" @click=${again}>${t().retry}</button>
  </div>`;
