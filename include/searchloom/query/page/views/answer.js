// One answer: its text with citations, what is to be doubted in it, and the passages it stands on.
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { cited, pieces } from "../answer.js";
import { light, passageId, send } from "../chat.js";
import { openDocument } from "../panel.js";
import { origin as recommended } from "../recommend.js";
import { state } from "../store.js";
import { t } from "../texts/index.js";
import * as notes from "./notes.js";
import { title } from "./title.js";

export const answer = (turn) => html`
  ${turn.text ? text(turn) : nothing} ${progress(turn)}
  ${turn.phase === "failed" ? failed(turn) : nothing}
  ${turn.done && !turn.done.known ? html`<p class="note">${t().chat.unknown}</p>` : nothing}
  ${turn.done?.unsupported.length ? html`<p class="note warn">${t().chat.unsupported}</p>` : nothing}
  ${notes.left(turn.done?.degraded)}
  ${turn.text ? sources(turn) : nothing}
  ${turn.further?.results.length ? further(turn) : nothing}`;

const text = (turn) => html`
  <div class="answer ${turn.phase === "writing" ? "writing" : ""}"
    >${pieces(turn.text, turn.passages, turn.done).map((piece) => shown(turn, piece))}</div>`;

function shown(turn, piece) {
  if (piece.unsupported) return html`<span class="unsupported">${piece.text}</span>`;
  if (!piece.citation) return piece.text;
  const label = piece.doubtful ? t().chat.doubtful(piece.citation) : t().chat.citation(piece.citation);
  return html`<button class="cite ${piece.doubtful ? "doubtful" : ""}" type="button" aria-label=${label} title=${label}
    @click=${() => light(turn, piece.citation)}>${piece.citation}</button>`;
}

function progress({ phase, passages }) {
  if (phase === "reading") return html`<p class="soft waiting">${passages.length ? t().chat.writing : t().chat.reading}</p>`;
  return phase === "stopped" ? html`<p class="soft">${t().chat.stopped}</p>` : nothing;
}

const failed = ({ error, question }) => html`
  <div role="alert">
    <p class="note warn">${notes.sentence(error)}</p>
    ${error.requestId ? html`<p class="soft">${t().errors.reference(error.requestId)}</p>` : nothing}
    <button class="plain" type="button" ?disabled=${state.chat.busy} @click=${() => send(question)}>${t().retry}</button>
  </div>`;

function sources(turn) {
  const named = cited(turn.text);
  const used = turn.passages.filter(({ number }) => named.has(number));
  const others = turn.passages.filter(({ number }) => !named.has(number));
  return html`
    ${used.length ? html`
      <section class="sources">
        <h4>${t().chat.sources}</h4>
        <ol>${used.map((passage) => source(turn, passage))}</ol>
      </section>` : nothing}
    ${others.length && turn.phase !== "writing" ? html`
      <details class="sources">
        <summary>${t().chat.others(others.length)}</summary>
        <ol>${others.map((passage) => source(turn, passage))}</ol>
      </details>` : nothing}`;
}

const further = ({ further: shown }) => html`
  <section class="sources">
    <h4>${t().chat.further}</h4>
    <ul>${shown.results.map((one, place) => html`
      <li class="further"><button class="title" type="button"
          @click=${() => openDocument(one, recommended("rag_context", shown, place))}>${title(one)}</button></li>`)}
    </ul>
  </section>`;

const source = (turn, passage) => html`
  <li id=${passageId(turn, passage.number)} class=${turn.lit === passage.number ? "lit" : ""} tabindex="-1">
    <span class="number" aria-hidden="true">${passage.number}</span>
    <div>
      <button class="title" type="button" aria-label=${`${t().chat.open}: ${passage.title}`}
              @click=${() => openDocument(passage, origin(turn, passage))}>${title(passage)}</button>
      ${passage.section ? html`<p class="meta">${passage.section}</p>` : nothing}
      <p class="text">${passage.text}</p>
    </div>
  </li>`;

const origin = (turn, passage) => ({
  scene: "chat",
  query: turn.question,
  position: passage.number,
  traceId: turn.traceId,
  release: turn.release,
});
